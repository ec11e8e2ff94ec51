"""One evaluation of a profile at a time in a project, so that two do not compute the same cells.

The lock is the operating system's: it ends with the process that holds it, however that ends.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from pipeline.errors import ZsadError

_FOLDER = Path(".zsad") / "locks"


class BusyError(ZsadError):
    """Another process evaluates the same profile here."""


@contextmanager
def only_run(profile: str) -> Iterator[None]:
    """Hold the lock of `profile` in the project of the current directory.

    Raises:
        BusyError: another process holds it.
    """
    _FOLDER.mkdir(parents=True, exist_ok=True)
    lock = FileLock(_FOLDER / f"{profile}.lock")
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise BusyError(
            f"another evaluation of the {profile} profile is running in {Path.cwd()}: "
            "wait for it; this one would find its cells"
        ) from None
    try:
        yield
    finally:
        lock.release()
