"""Write admitted members below a fresh folder, which appears whole or not at all.

It is filled under a temporary name, brought to disk and renamed; one process at a time fills it, and what a
killed one left is cleared away by the next. It holds plain files and folders only, with the modes of this
process: owners, modes and times of the archive are not taken over. A link becomes the file that it points to,
so the tree holds no links, and nothing is ever written through one.
"""

import os
import posixpath
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from pipeline.archives.rules import Gate, Member
from pipeline.errors import DataError
from pipeline.files import lock, sync_folder

_CHUNK = 1 << 20


class Writer:
    """Writes the members of one archive below `out`; `finish` belongs behind the last."""

    def __init__(self, out: Path, gate: Gate) -> None:
        self._out, self._gate = out, gate
        self._links: list[tuple[Member, str, str]] = []
        self._written: set[str] = set()

    def folder(self, path: str) -> None:
        """Make a folder."""
        (self._out / path).mkdir(parents=True, exist_ok=True)

    def link(self, member: Member, path: str) -> None:
        """Note a link for `finish`.

        Raises:
            DataError: it leads out of the archive.
        """
        self._links.append((member, path, self._gate.target(member, path)))

    def file(self, member: Member, path: str, source: IO[bytes]) -> None:
        """Write the content of a file.

        Raises:
            DataError: it has another size than declared.
            OSError: it cannot be written.
        """
        self.folder(posixpath.dirname(path))
        written = 0
        with (self._out / path).open("xb") as handle:
            while chunk := source.read(_CHUNK):
                written += len(chunk)
                if written > member.size:
                    break
                handle.write(chunk)
        if written != member.size:
            self._gate.refuse(member.name, f"does not have the {member.size} bytes that it declares")
        self._written.add(path)

    def finish(self) -> None:
        """Put every link's file in its place.

        Raises:
            DataError: a link points to no file of the archive.
        """
        for member, path, target in self._links:
            if target not in self._written:
                self._gate.refuse(member.name, "is a link to something that is no file of the archive")
            self.folder(posixpath.dirname(path))
            os.link(self._out / target, self._out / path)


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
        same = lock(handle, temporary) and os.path.samestat(os.fstat(handle), temporary.stat())
    except FileNotFoundError:
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
