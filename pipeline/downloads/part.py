"""A file that is on its way: `<name>.part`, and `<name>.part.json` that says which file it is a part of.

Bytes are only ever appended to bytes of the same remote file: same address, same ETag or modification
time, same size. Everything else is thrown away. The final name appears by one rename of a whole file.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.downloads.errors import is_full
from pipeline.errors import DiskFullError
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


class room_for:  # noqa: N801 (used like a function)
    """Turns a full disk into one message that says what is kept."""

    def __init__(self, part: Part) -> None:
        self._part = part

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, OSError) and is_full(error):
            raise DiskFullError(
                f"{self._part.target.parent}: the disk is full; make room and run the command again, it goes "
                f"on behind the {self._part.size} bytes in {self._part.path.name}"
            ) from None


def validator(note: Mapping[str, Any]) -> str | None:
    """The value for `If-Range`: a strong ETag, else the modification time (RFC 9110, 13.1.5)."""
    etag = note.get("etag")
    if isinstance(etag, str) and not etag.startswith("W/"):
        return etag
    modified = note.get("last_modified")
    return modified if isinstance(modified, str) else None
