"""What must not stand in a log that others read: secret environment variables, passwords in addresses."""

import os
import re
from collections.abc import Mapping

_SECRET_NAME = re.compile(
    r"TOKEN|SECRET|PASSW|CREDENTIAL|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY|ZSAD_NOTIFY", re.IGNORECASE
)
_USER_INFO = re.compile(r"(?<=://)[^/\s@]+@")
_SHORTEST = 6  # a shorter value would blot out ordinary words
_HIDDEN = "***"


def redacted(text: str, environment: Mapping[str, str] = os.environ) -> str:
    """`text` with every secret that `environment` holds replaced by `***`."""
    secrets = {
        value for name, value in environment.items() if _SECRET_NAME.search(name) and len(value) >= _SHORTEST
    }
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, _HIDDEN)
    return _USER_INFO.sub(f"{_HIDDEN}@", text)
