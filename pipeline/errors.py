"""Errors that a user is meant to read: one message that names the file, key or cell, and the next step."""

import errno

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_FORBIDDEN = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


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


def is_full(error: OSError) -> bool:
    """Whether the operating system says that a disk or a quota is full."""
    return error.errno in _FULL


def as_message(error: ZsadError | OSError) -> str | None:
    """The line that a user is to read; None where the system's error may be a fault of this program."""
    if isinstance(error, ZsadError):
        return str(error)
    if is_full(error):
        step = "make room"
    elif error.errno in _FORBIDDEN:
        step = "let yourself write there"
    else:
        return None
    return f"{error.filename or 'a file'}: {error.strerror}; {step}"
