"""What a member of an archive may be: its name, its kind, its weight. One gate for all formats.

Names are relative POSIX paths that stay inside, on every file system: no `..`, no drive, no backslash,
nothing that Windows reserves or cannot hold, and no two names that differ in case or Unicode form alone.
Files, folders and links to files of the same archive are members; devices are not. Sizes and numbers are
bounded against bombs and against the disk.
"""

import posixpath
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal, NoReturn

from pipeline.errors import DataError, DiskFullError

Kind = Literal["file", "folder", "symlink", "hardlink", "other"]

MAX_MEMBERS = 500_000  # twelve times the largest published set of the benchmark
MAX_RATIO = 100  # unpacked to packed; image archives lie between 1 and 10
HARMLESS_BYTES = 100 << 20  # unpacked size that is fine at any ratio: empty masks pack a thousandfold
_LONGEST_PART = 255  # bytes of a file name on common file systems
_LONGEST_NAME = 1024
_SHOWN = 120

_DRIVE = re.compile(r"[A-Za-z]:")
# Windows: names of devices with any suffix, characters of its own, a dot or space that it drops at the end.
_NOT_ON_WINDOWS = re.compile(
    r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])( *\..*)?|.*[<>:\"|?*].*|.*[. ]", re.IGNORECASE
)


@dataclass(frozen=True)
class Member:
    """One entry of an archive as its header declares it.

    Attributes:
        name: as written.
        kind: what it is.
        size: unpacked bytes of a file.
        target: what a link points to.
        encrypted: whether a password is needed.
    """

    name: str
    kind: Kind
    size: int = 0
    target: str = ""
    encrypted: bool = False


class Gate:
    """Admits the members of one archive, one after the other; remembers names and adds up sizes.

    Args:
        archive: for messages.
        packed: bytes of the archive, all volumes together; a reader that knows better may set it anew.
        free: bytes that may be written.
        advice: what to do about an archive that is refused.

    Attributes:
        files: path to size of everything admitted but folders.
    """

    def __init__(self, archive: Path, packed: int, free: int, advice: str = "get it anew") -> None:
        self._archive = archive
        self.packed, self.advice, self._free = packed, advice, free
        self._members = self._bytes = 0
        self._spelling: dict[str, str] = {}
        self._folders: set[str] = set()
        self.files: dict[str, int] = {}

    def again(self) -> "Gate":
        """The gate of another attempt at the same archive."""
        return Gate(self._archive, self.packed, self._free, self.advice)

    def admit(self, member: Member) -> str:
        """The clean relative path of a member, "" for the root itself; files and folders are remembered.

        Raises:
            DataError: the member is refused; the message names archive and member.
        """
        path = self._path(member)
        if member.kind == "other":
            self.refuse(member.name, "is no plain file, folder or link")
        if member.encrypted:
            self.refuse(member.name, "is encrypted")
        self._weigh(member)
        self._remember(path, member)
        return path

    def target(self, member: Member, path: str) -> str:
        """The path that a link at `path` points to, as a path of the archive.

        Raises:
            DataError: it points out of the archive.
        """
        start = "" if member.kind == "hardlink" else posixpath.dirname(path)
        target = posixpath.normpath(posixpath.join(start, member.target))
        foreign = _DRIVE.match(member.target) or "\\" in member.target
        if foreign or target.startswith(("/", "../")) or target == "..":
            self.refuse(member.name, f"is a link that leads out of the archive, to {_shown(member.target)}")
        return target

    def refuse(self, name: str, reason: str) -> NoReturn:
        """Raise the error that names archive and member."""
        raise DataError(
            f"{self._archive}: member {_shown(name)} {reason}; nothing was unpacked, {self.advice}"
        )

    def _path(self, member: Member) -> str:
        name = member.name
        parts = PurePosixPath(name).parts
        if name.startswith("/") or _DRIVE.match(name):
            self.refuse(name, "has an absolute path")
        if ".." in parts:
            self.refuse(name, "leads out of the archive")
        if "\\" in name:
            self.refuse(name, "has a backslash in its name")
        if (not parts and member.kind != "folder") or not name.isprintable():
            self.refuse(name, "has a name with characters that cannot be written")
        if any(_NOT_ON_WINDOWS.fullmatch(part) for part in parts):
            self.refuse(name, "has a name that Windows cannot hold")
        if len(name) > _LONGEST_NAME or any(len(part.encode()) > _LONGEST_PART for part in parts):
            self.refuse(name, "has too long a name")
        return "/".join(parts)

    def _weigh(self, member: Member) -> None:
        self._members += 1
        self._bytes += member.size
        if self._members > MAX_MEMBERS:
            self.refuse(member.name, f"is one too many; an archive may have {MAX_MEMBERS}")
        if self._bytes > max(HARMLESS_BYTES, MAX_RATIO * self.packed):
            self.refuse(member.name, f"makes it more than {MAX_RATIO} times as large unpacked as packed")
        if self._bytes > self._free:
            raise DiskFullError(
                f"{self._archive}: needs more than {self._bytes >> 20} MB unpacked and the disk has "
                f"{self._free >> 20} MB left; make room and try again"
            )

    def _remember(self, path: str, member: Member) -> None:
        """Refuse a name that is there already, also one that differs in case or Unicode form alone."""
        above = [folder.as_posix() for folder in PurePosixPath(path).parents][:-1]
        for place in (*above, path):
            folded = unicodedata.normalize("NFC", place).casefold()
            if self._spelling.setdefault(folded, place) != place:
                self.refuse(member.name, f"differs from {_shown(self._spelling[folded])} in case alone")
        if path in self.files or (path in self._folders and member.kind != "folder"):
            self.refuse(member.name, "is there twice")
        if any(folder in self.files for folder in above):
            self.refuse(member.name, "lies below a file as if that were a folder")
        self._folders.update(above)
        if member.kind == "folder":
            self._folders.add(path)
        else:
            self.files[path] = member.size


def _shown(name: str) -> str:
    """A name from outside, quoted and safe to print."""
    return ascii(name if len(name) <= _SHOWN else f"{name[:_SHOWN]}...")
