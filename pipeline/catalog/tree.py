"""The names of all files under a data set's root, read once and safely.

Readers ask this list instead of the disk: a name that is not in it does not exist for them, so neither a
link nor a path in a CSV file can lead outside the root. Links are refused (a file link that stays
inside is fine), litter of file systems is set apart.
"""

import os
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from pipeline.errors import DataError, is_fault
from pipeline.files import TooLongError, open_regular, read_all

IMAGE_SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".jfif", ".bmp", ".tif", ".tiff", ".webp", ".gif"}  # what `images` decodes
)
OTHER_PICTURES = (
    ".heic", ".heif", ".avif", ".jxl", ".jp2", ".j2k", ".jpx", ".pgm", ".ppm", ".pbm", ".pnm", ".pfm", ".tga",
    ".pcx", ".exr", ".hdr", ".psd", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2",
    ".dcm", ".dicom", ".nii", ".nii.gz", ".nrrd", ".mha", ".npy",
)  # fmt: skip

UNREAD = "a picture of a kind that is not read; save it as PNG"  # why, and what to do
MANY = "*"  # at the end of the name of a mask: with or without a number, all together
_NUMBER = re.compile(r"[ ._-]?\(?\d+\)?$")

_LITTER = frozenset(  # in lower case
    {
        "__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin", "system volume information",
        "@eadir",
    }
)  # fmt: skip
_SHOWN = 5
_LONGEST_LIST = 64 << 20  # bytes, some 600,000 entries; read as JSON they take a gigabyte


def join(folder: str, name: str) -> str:
    """`folder/name`, where "" stands for the root on either side."""
    return f"{folder}/{name}" if folder and name else folder or name


def stem(name: str) -> str:
    """File name without folder and last suffix."""
    return PurePosixPath(name).stem


def folded(name: str) -> str:
    """A name without what file systems and programs write differently: case, and how accents are encoded."""
    return unicodedata.normalize("NFC", name).casefold()


def is_image(name: str) -> bool:
    """Whether the suffix, in any case, is one of an image."""
    return PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES


def is_picture(name: str) -> bool:
    """Whether it is an image by its suffix, or a picture of a kind that is not read."""
    return is_image(name) or name.lower().endswith(OTHER_PICTURES)


def some(paths: Iterable[str], between: str = ", ") -> str:
    """The first few of `paths`, and how many more there are."""
    shown = [path or "the root" for path in paths]
    more = len(shown) - _SHOWN
    return between.join(shown[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def mask_files(root: Path, mask: str) -> tuple[str, ...]:
    """The files of a mask: itself, all images of the folder that it is, or all numbers of a name with `*`."""
    if mask.endswith(MANY) and not (root / mask).exists():
        folder, _, name = mask.removesuffix(MANY).rpartition("/")
        name = folded(name)
        every = _images(root / folder)
        return tuple(join(folder, one) for one in every if folded(without_number(stem(one))) == name)
    if not (root / mask).is_dir():
        return (mask,)
    return tuple(join(mask, name) for name in _images(root / mask))


def _images(folder: Path) -> list[str]:
    names = (entry.name for entry in os.scandir(folder))
    return sorted(name for name in names if is_image(name) and not name.startswith("."))


def without_number(name: str) -> str:
    """A stem without the number behind it, by which several masks of an image are told apart.

    Examples:
        >>> [without_number(f"0_mask{end}") for end in ("", "2", "_2", " (2)", "-by-2x")]
        ['0_mask', '0_mask', '0_mask', '0_mask', '0_mask-by-2x']
    """
    return _NUMBER.sub("", name)


@dataclass(frozen=True)
class Tree:
    """Folders and files under `root`, as sorted names relative to it.

    Attributes:
        root: the data set's folder.
        folders: folder to the names of its sub-folders; "" is the root.
        files: folder to the names of its files.
        refused: path to the reason, for entries that lead outside or cannot be named safely.
        litter: files and folders that file systems leave behind (`.DS_Store`, `__MACOSX`).
    """

    root: Path
    folders: Mapping[str, tuple[str, ...]]
    files: Mapping[str, tuple[str, ...]]
    refused: Mapping[str, str]
    litter: tuple[str, ...]

    def has(self, path: str) -> bool:
        """Whether `path` is a file of the tree."""
        return path in self._every

    @cached_property
    def _every(self) -> frozenset[str]:
        return frozenset(self.paths())

    def folder(self, path: str) -> str | None:
        """The folder of this name, or the only one that differs from it in case alone; else None."""
        if path in self.folders:
            return path
        alike = self._folded.get(folded(path), ())
        return alike[0] if len(alike) == 1 else None

    @cached_property
    def _folded(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for folder in self.folders:
            found.setdefault(folded(folder), []).append(folder)
        return found

    def images(self, folder: str) -> tuple[str, ...]:
        """Names of the image files directly in `folder`."""
        return tuple(name for name in self.files.get(folder, ()) if is_image(name))

    def paths(self) -> Iterator[str]:
        """All files."""
        return (join(folder, name) for folder, names in self.files.items() for name in names)

    def open_path(self, path: str) -> Path:
        """Where a file of the tree lies on disk.

        Raises:
            DataError: the tree has no such file.
        """
        if not self.has(path):
            raise DataError(f"{path}: no such file in the data set")
        return self.root / path

    def read(self, path: str) -> bytes:
        """What a list holds.

        Raises:
            DataError: the tree has no such file, or it is too long for a list.
        """
        with open_regular(self.open_path(path)) as file:
            try:
                return read_all(file, _LONGEST_LIST)
            except TooLongError as error:
                raise DataError(f"{path}: {error}; leave out what is not tested") from None


def read_tree(root: Path) -> Tree:
    """List everything under `root`.

    Raises:
        DataError: `root` is not a folder, or a folder below it cannot be read.
    """
    if not root.is_dir():
        raise DataError(f"{root}: no such folder; put the data set there (see `zsad download --help`)")
    folders: dict[str, tuple[str, ...]] = {}
    files: dict[str, tuple[str, ...]] = {}
    refused: dict[str, str] = {}
    litter: list[str] = []
    home = root.resolve()
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        inner: list[str] = []
        plain: list[str] = []
        for entry in _entries(root, folder):
            path = join(folder, entry.name)
            if entry.name.startswith(".") or entry.name.casefold() in _LITTER:
                litter.append(path)
            elif reason := _refusal(entry, home):
                refused[_printable(path)] = reason
            else:
                (inner if entry.is_dir() else plain).append(entry.name)
        folders[folder], files[folder] = tuple(inner), tuple(plain)
        waiting += [join(folder, name) for name in inner]
    order = sorted(folders)
    return Tree(
        root=root,
        folders={folder: folders[folder] for folder in order},
        files={folder: files[folder] for folder in order},
        refused=refused,
        litter=tuple(sorted(litter)),
    )


def _entries(root: Path, folder: str) -> list[os.DirEntry[str]]:
    try:
        return sorted(os.scandir(root / folder), key=lambda entry: entry.name)
    except OSError as error:
        if is_fault(error):
            raise
        raise DataError(f"{root / folder}: cannot be listed ({error.strerror}); make it readable") from None


def _refusal(entry: os.DirEntry[str], home: Path) -> str | None:
    """Why an entry must not be read, None when it may."""
    if not entry.name.isprintable() or "\\" in entry.name:
        return "the name holds characters that are not safe in a path; rename it"
    if not entry.is_symlink():
        return None if entry.is_dir() or entry.is_file() else "neither a file nor a folder; remove it"
    target = Path(os.path.realpath(entry.path))  # `Path.resolve` raises on a link to itself
    if not target.is_relative_to(home):
        return "a link that leads out of the data set; put the file itself there"
    return None if target.is_file() else "a link to a folder or to nothing; put what is meant itself there"


def _printable(path: str) -> str:
    return path.encode("utf-8", "backslashreplace").decode() if path.isprintable() else ascii(path)[1:-1]
