"""Write admitted members below a fresh folder: plain files and folders only, with the modes of this process.

Owners, modes and times of the archive are not taken over. A link becomes the file that it points to, so the
tree holds no links, and nothing is ever written through one.
"""

import os
import posixpath
from pathlib import Path
from typing import IO

from pipeline.archives.rules import Gate, Member

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
