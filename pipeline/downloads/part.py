"""A file that is on its way: `<name>.part`, and `<name>.part.json` that says which file it is a part of.

Bytes are only ever appended to bytes of the same remote file: same address, same ETag or modification
time, same size. Everything else is thrown away. The final name appears by one rename of a whole file.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.errors import DiskFullError, is_full
from pipeline.files import write_json


class Part:
    """The unfinished download of `target`."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.path = target.with_name(f"{target.name}.part")
        self._note = target.with_name(f"{target.name}.part.json")

    @property
    def size(self) -> int:
        """Bytes that are there."""
        return self.path.stat().st_size if self.path.exists() else 0

    def resume(self, url: str) -> Mapping[str, Any] | None:
        """What is noted about the bytes that are there, None when a download of `url` starts from nothing."""
        note = self._read_note()
        if note is not None and note.get("url") == url and validator(note) and self.size:
            return note
        self.discard()
        return None

    def begin(self, note: Mapping[str, Any]) -> None:
        """Start over with the remote file that `note` describes."""
        self.discard()
        with room_for(self):
            write_json(self._note, note)

    def append(self, content: bytes, handle: int) -> None:
        """Write all of `content` to an open descriptor of `path`.

        Raises:
            DiskFullError: what fitted is kept, and the next run goes on behind it.
        """
        with room_for(self):
            left = memoryview(content)
            while left:
                left = left[os.write(handle, left) :]

    def finish(self) -> None:
        """Give the whole file its name."""
        self.path.replace(self.target)
        self._note.unlink(missing_ok=True)

    def discard(self) -> None:
        """Forget the bytes that are there; the bytes go first, so that none is left with a wrong note."""
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)

    def _read_note(self) -> Mapping[str, Any] | None:
        try:
            note = json.loads(self._note.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return note if isinstance(note, dict) else None


@contextmanager
def room_for(part: Part) -> Iterator[None]:
    """Turns a full disk into one message that says what is kept."""
    try:
        yield
    except OSError as error:
        if not is_full(error):
            raise
        raise DiskFullError(
            f"{part.target.parent}: the disk is full; make room and run the command again, it goes on behind "
            f"the {part.size} bytes in {part.path.name}"
        ) from None


def validator(note: Mapping[str, Any]) -> str | None:
    """The value for `If-Range`: a strong ETag, else the modification time (RFC 9110, 13.1.5)."""
    etag = note.get("etag")
    if isinstance(etag, str) and not etag.startswith("W/"):
        return etag
    modified = note.get("last_modified")
    return modified if isinstance(modified, str) else None
