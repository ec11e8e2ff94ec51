"""A folder that appears whole or not at all: filled under a temporary name, brought to disk, renamed.

One process at a time fills it; what a killed one left is cleared away by the next.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import DataError
from pipeline.files import sync_folder


@contextmanager
def staged(into: Path) -> Iterator[Path]:
    """Yield an empty folder beside `into`; without an error it becomes `into`, else it is removed.

    Raises:
        DataError: `into` is there and not empty, or another process fills it.
    """
    require_free(into)
    temporary = into.parent / f".{into.name}.unpacking"
    temporary.mkdir(parents=True, exist_ok=True)
    handle = os.open(temporary, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        _own(handle, temporary, into)
        try:
            clear(temporary)
            yield temporary
            os.sync()  # one call for thousands of files
            temporary.replace(into)
            sync_folder(into.parent)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
    finally:
        os.close(handle)


def require_free(into: Path) -> None:
    """Refuse a place that is taken; an empty folder is not.

    Raises:
        DataError: something lies there.
    """
    if into.is_symlink() or (into.exists() and not (into.is_dir() and not any(into.iterdir()))):
        raise DataError(f"{into}: already there; move it away first")


def _own(handle: int, temporary: Path, into: Path) -> None:
    """Lock the open folder, and make sure that it still has its name."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        same = os.path.samestat(os.fstat(handle), temporary.stat())
    except (BlockingIOError, FileNotFoundError):
        same = False
    if not same:
        raise DataError(f"{into}: another process unpacks there; wait for it")


def clear(folder: Path) -> None:
    """Remove what is in a folder, but not the folder itself, on which the lock is."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
