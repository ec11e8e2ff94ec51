"""Errors that a user is meant to read: one message that names the file, key or cell, and the next step.

What must not stand where others read it is taken out here too: secrets, passwords in addresses, what steers a
terminal. Logs, messages and failed rows go through `redacted`; whatever a library puts into an error may end
up in them, and whatever a file from outside has for a name.
"""

import errno
import logging
import os
import re
import unicodedata
from collections.abc import Mapping

_KNOWN = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG})
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_STEPS = {
    errno.ENOSPC: "make room, of bytes (`df -h`) or of files (`df -i`)",
    errno.EDQUOT: "make room",
    errno.EACCES: "change its permissions, or use another folder",
    errno.EPERM: "change its permissions, or use another folder",
    errno.EROFS: "put it on a file system that can be written",
    errno.EMFILE: "allow more open files (`ulimit -n 4096`) and run it again",
    errno.ENFILE: "end other programs and run it again",
    errno.ENOLCK: "put it on a file system that has locks",
    errno.ENOENT: "put it there",
    errno.EIO: "run it again; if it stays, the disk or the network drive is failing",
    errno.ELOOP: "remove the link that leads to itself",
    errno.ENAMETOOLONG: "take a shorter name",
    errno.EISDIR: "give a file",
    errno.ENOTDIR: "give a folder",
    errno.EINVAL: "give a regular file",
}

_NO_MEMORY, _NO_THREAD = "out of memory", "can't start new thread"  # as Pillow and Python say it

_SECRET_NAME = re.compile(
    r"TOKEN|SECRET|AUTH_STRING|PASSW|PASSPHRASE|CREDENTIAL|API_?KEY|_KEY$|_KEY_ID$|ZSAD_NOTIFY", re.IGNORECASE
)
_USER_INFO = re.compile(r"(?<=://)[^/\s]+@")  # up to the last @: a password may have one
_SHORTEST = 6  # a shorter value would blot out ordinary words
_HIDDEN = "***"
_STEERING = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})  # control, format, lone surrogate, line, paragraph


class ZsadError(Exception):
    """Base of every error that is shown as one line, without a traceback."""


class ParamsError(ZsadError):
    """A key of `params.yaml` that cannot be used as it stands."""


class ProjectError(ZsadError):
    """A folder that cannot become a project."""


class DataError(ZsadError):
    """A data set as published that is not what its record says: a file, a folder or a count."""


class DiskFullError(DataError):
    """No room on a disk or in a quota: nothing is wrong with the data, and another source will not help."""


class WeightsError(ZsadError):
    """A weights file that is missing, damaged or of another model."""


class BusyError(ZsadError):
    """Another process is at work on what only one may change at a time."""


class TrainingError(ZsadError):
    """A method that cannot be tuned on an auxiliary set; the others can."""


def count(number: int, noun: str) -> str:
    """`1 image`, `2 images`: for nouns that take an s."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def is_fault(error: BaseException) -> bool:
    """Whether the operating system failed: then nothing is known of the content, and nothing may be kept.

    That a file is missing is known; libraries that call damaged bytes an `OSError` give it no number, and
    Pillow calls one what its decoders have no memory for.
    """
    if isinstance(error, OSError):
        return error.errno not in _KNOWN if error.errno is not None else _NO_MEMORY in str(error)
    return isinstance(error, MemoryError)


def fault_behind(error: BaseException) -> OSError | None:
    """The fault (see `is_fault`) that a library met before it raised `error`, which speaks of the content."""
    behind = error.__cause__ or error.__context__
    while behind is not None:
        if isinstance(behind, OSError) and is_fault(behind):
            return behind
        behind = behind.__cause__ or behind.__context__
    return None


def is_full(error: OSError) -> bool:
    """Whether the operating system says that a disk or a quota is full."""
    return error.errno in _FULL


def is_shown(error: BaseException) -> bool:
    """Whether `as_message` has a line for it: a user can do something, and a traceback would say less."""
    refused = isinstance(error, RuntimeError) and _NO_THREAD in str(error)
    return refused or isinstance(error, ZsadError | OSError | MemoryError)


def as_message(error: BaseException) -> str:
    """The line that a user is to read. A fault of the system gets a step that may help; it is never kept."""
    if isinstance(error, MemoryError):
        return (
            "out of memory: end other programs, allow more (`ulimit -v`, a container's limit), or lower "
            "compute.batch and compute.cpus"
        )
    if isinstance(error, RuntimeError):
        return f"{error}: allow more processes (`ulimit -u`, a container's limit) and run it again"
    if not isinstance(error, OSError):
        return str(error)
    step = _STEPS.get(error.errno or 0, "run it again; if it stays, look at the system's log")
    place = error.filename if error.filename is not None else type(error).__name__
    return f"{place}: {error.strerror or str(error) or 'failed'}; {step}"


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
    handler.setLevel(logging.WARNING)  # a library's loggers may have levels of their own
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
