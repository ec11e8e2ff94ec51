"""What must not stand where others read it: secrets, passwords in addresses, what steers a terminal.

Logs, messages and failed rows go through here; whatever a library puts into an error may end up in them, and
whatever a file from outside has for a name.
"""

import logging
import os
import re
import unicodedata
from collections.abc import Mapping

_SECRET_NAME = re.compile(
    r"TOKEN|SECRET|AUTH_STRING|PASSW|PASSPHRASE|CREDENTIAL|API_?KEY|_KEY$|_KEY_ID$|ZSAD_NOTIFY", re.IGNORECASE
)
_USER_INFO = re.compile(r"(?<=://)[^/\s]+@")  # up to the last @: a password may have one
_SHORTEST = 6  # a shorter value would blot out ordinary words
_HIDDEN = "***"
_STEERING = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})  # control, format, lone surrogate, line, paragraph


def redacted(text: str, environment: Mapping[str, str] = os.environ) -> str:
    """`text` with every secret that `environment` holds replaced by `***`."""
    secrets = {
        value for name, value in environment.items() if _SECRET_NAME.search(name) and len(value) >= _SHORTEST
    }
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, _HIDDEN)
    return _USER_INFO.sub(f"{_HIDDEN}@", text)


def printable(text: str) -> str:
    r"""`text` with what would steer a terminal, or turn its lines around, as `\x1b`; line breaks stay."""
    return "".join(letter if letter == "\n" or not _steers(letter) else _escaped(letter) for letter in text)


def _steers(letter: str) -> bool:
    return unicodedata.category(letter) in _STEERING


def _escaped(letter: str) -> str:
    return letter.encode("unicode_escape").decode("ascii")


class _Formatter(logging.Formatter):
    """Hides secrets and control characters in what is logged, tracebacks included."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(redacted(super().format(record)))


def log_to_stderr() -> None:
    """Send warnings and worse of this process to standard error, secrets hidden."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Formatter("%(levelname)s %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
