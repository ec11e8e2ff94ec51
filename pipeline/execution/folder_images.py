"""The images of any folder, batch by batch: found, decoded ahead of the tower, resized as the benchmark's.

A file that cannot be decoded comes back with its reason instead of pixels. No more than two batches are
in memory, however many files there are.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pipeline.catalog.images import decode
from pipeline.catalog.tree import IMAGE_SUFFIXES, read_tree
from pipeline.errors import DataError
from pipeline.shards.preprocess import Bytes, image_array

_SUFFIXES = IMAGE_SUFFIXES | {".gif", ".webp"}
_WORKERS = 2  # decoding is a fraction of the tower's time


@dataclass(frozen=True)
class Picture:
    """One decoded image: its name in the folder, (S, S, 3) RGB, and its published width and height."""

    name: str
    pixels: Bytes
    shape: tuple[int, int]


@dataclass(frozen=True)
class Unreadable:
    """One file that gives no image, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class FolderListing:
    """Image files of a folder, sorted relative POSIX paths, and entries that must not be read."""

    names: tuple[str, ...]
    refused: tuple[Unreadable, ...]


def list_images(folder: Path, leave_out: Path) -> FolderListing:
    """Every image file below `folder`, but nothing below `leave_out`, where results go.

    Raises:
        DataError: there is no such folder, or no image in it.
    """
    tree = read_tree(folder)
    written = leave_out.resolve()
    names = [
        path
        for path in tree.paths()
        if PurePosixPath(path).suffix.lower() in _SUFFIXES
        and not (folder / path).resolve().is_relative_to(written)
    ]
    if not names:
        raise DataError(f"{folder}: no image in it; known are {', '.join(sorted(_SUFFIXES))}")
    refused = tuple(Unreadable(path, reason) for path, reason in sorted(tree.refused.items()))
    return FolderListing(tuple(sorted(names)), refused)


def read_picture(folder: Path, name: str, size: int) -> Picture | Unreadable:
    """One image as every prepared image is made; never raises for what lies in the file."""
    try:
        image = decode((folder / name).read_bytes(), name)
        return Picture(name, image_array(image, size), image.size)
    except (DataError, OSError) as error:
        return Unreadable(name, str(error).removeprefix(f"{name}: "))


def read_batches(
    folder: Path, names: Sequence[str], size: int, batch: int
) -> Iterator[list[Picture | Unreadable]]:
    """The images of `names` in order, `batch` at a time; the next batch is decoded meanwhile."""
    chunks = [names[start : start + batch] for start in range(0, len(names), batch)]
    with ThreadPoolExecutor(_WORKERS) as pool:

        def submit(chunk: Sequence[str]) -> Iterator[Picture | Unreadable]:
            return pool.map(lambda name: read_picture(folder, name, size), chunk)

        coming: Iterator[Picture | Unreadable] | None = None
        for chunk in [*chunks, ()]:
            ready, coming = coming, submit(chunk)
            if ready is not None:
                yield list(ready)
