"""Whether what is installed is what the lock and the project pin."""

import re
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from pipeline.doctor.finding import Finding

_AREA = "environment"
_LOCK = Path("requirements.lock")
_PIN = re.compile(r"^([A-Za-z0-9][\w.-]*)==([^\s;\\]+)", re.MULTILINE)
_SHOWN = 5


def _pins() -> dict[str, str]:
    """Name to pinned version: of the project's own requirements and, where there is one, of the lock."""
    try:
        required = metadata.requires("zsad") or []
    except metadata.PackageNotFoundError:
        required = []
    own = "\n".join(requirement for requirement in required if "extra ==" not in requirement)
    lock = _LOCK.read_text(encoding="utf-8") if _LOCK.is_file() else ""
    return dict(_PIN.findall(own)) | dict(_PIN.findall(lock))


def _difference(name: str, pinned: str) -> str | None:
    try:
        installed = metadata.version(name)
    except metadata.PackageNotFoundError:
        return f"{name} is missing"
    # A build of torch names its CUDA behind a plus sign.
    same = installed.split("+")[0] == pinned.split("+", maxsplit=1)[0]
    return None if same else f"{name} is {installed}, not {pinned}"


def environment() -> Iterator[Finding]:
    """Python and every pinned package."""
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] == (3, 11):
        yield Finding(_AREA, "python", "ok", version)
    else:
        yield Finding(_AREA, "python", "problem", f"{version}: the lock is made for 3.11; use that")
    pins = _pins()
    if not pins:
        yield Finding(_AREA, "packages", "note", f"no {_LOCK} here and no installed zsad: nothing to compare")
        return
    differences = [text for name, pinned in sorted(pins.items()) if (text := _difference(name, pinned))]
    if not differences:
        yield Finding(_AREA, "packages", "ok", f"{len(pins)} packages as pinned")
        return
    shown = "; ".join(differences[:_SHOWN]) + ("; ..." if len(differences) > _SHOWN else "")
    text = f"{len(differences)} of {len(pins)} packages are not as pinned: {shown}; run `make env`"
    yield Finding(_AREA, "packages", "problem", text)
