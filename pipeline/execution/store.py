"""Finished cells, parts of cells and text features on disk under keys: no finished work is done twice.

A key is made of all that moves a number (see `pipeline.execution.tasks`), so a file is either right or not
asked for. Only finished cells are kept: a failure is tried again by the next run. A damaged file counts as
absent and is replaced. One evaluation of a profile runs at a time: two would compute the same cells.
What a cell has of a range of images is kept by the worker that scored it until the cell is finished.
Text features serve all workers of all runs; what two make at the same time is the same.
"""

import hashlib
import logging
import os
import shutil
from collections.abc import Collection, Iterable, Mapping
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from pipeline.errors import ZsadError, is_fault
from pipeline.files import TooLongError, only_one, open_regular, read_all, write_bytes
from pipeline.results import CellResult, decode_cell, encode_cell

log = logging.getLogger(__name__)

DEFAULT_ROOT = Path(".zsad") / "cells"
TEXTS = Path(".zsad") / "texts"
PARTS = Path(".zsad") / "parts"
_LOCKS = Path(".zsad") / "locks"


def only_run(profile: str) -> AbstractContextManager[None]:
    """Be the only evaluation of `profile` in the project of the current directory.

    Raises:
        BusyError: another process evaluates it.
    """
    return only_one(
        _LOCKS / f"{profile}.lock",
        f"another evaluation of the {profile} profile is running in {Path.cwd()}: "
        "wait for it; this one would find its cells",
    )


class CellStore:
    """A folder of finished cells. Safe for several processes: a file appears whole or not at all."""

    def __init__(self, root: Path = DEFAULT_ROOT) -> None:
        self._root = root

    def _path(self, key: str) -> Path:
        return self._root / key[:2] / f"{key}.parquet"

    def get(self, key: str) -> CellResult | None:
        """The finished cell under `key`, or None."""
        path = self._path(key)
        try:
            return _read(path)
        except FileNotFoundError:
            return None
        except (ZsadError, OSError) as error:
            log.warning("%s cannot be read and is computed again: %s", path, error)
            return None

    def audit(self) -> tuple[int, list[Path], list[Path]]:
        """Read every file of the store.

        Returns:
            How many cells are whole, the files of those that are damaged or of another version, and temporary
            files: of writers at work or of killed ones.
        """
        files = [path for path in sorted(self._root.rglob("*")) if path.is_file()]
        leftovers = [path for path in files if path.suffix == ".tmp"]
        damaged = [path for path in files if path.suffix != ".tmp" and not _is_whole(path)]
        return len(files) - len(leftovers) - len(damaged), damaged, leftovers

    def put(self, result: CellResult) -> None:
        """Keep a finished cell. A failed one is not kept."""
        key = result.row.cell_key
        if result.row.status == "ok" and key is not None:
            write_bytes(self._path(key), encode_cell(result))


def _read(path: Path) -> CellResult:
    """The cell in a file that is named by its key.

    Raises:
        ZsadError: the file is damaged, of another version, or holds another cell.
    """
    result = decode_cell(path.read_bytes(), str(path))
    if result.row.cell_key != path.stem:
        raise ZsadError(f"{path}: holds the cell {result.row.cell_key}")
    return result


def _is_whole(path: Path) -> bool:
    try:
        _read(path)
    except (ZsadError, OSError) as error:
        if is_fault(error):
            raise  # nothing is known of the cell, and `zsad doctor --repair` deletes what is damaged
        return False
    return True


class PartStore:
    """What cells have of ranges of a subset's images: `<cell key>/<first>-<end>.part`, a file each.

    Safe for several processes. A file is a digest over its key, its range and its arrays, then the arrays.

    Args:
        folder: of one state of a subset's files (see `GroupTask.parts`); there is none until a part is kept.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def _path(self, key: str, rows: range) -> Path:
        return self._folder / key / f"{rows.start}-{rows.stop}.part"

    def is_writable(self) -> bool:
        """Whether parts can be kept here; a node may have the project for reading only."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            return False
        return os.access(self._folder, os.W_OK | os.X_OK)

    def ranges(self, keys: Collection[str], images: int) -> tuple[range, ...]:
        """Ranges of so many images of which all cells under `keys` have a part; no two overlap.

        By the names of files: what is in them is looked at when they are added.
        """
        named = [{path.stem for path in (self._folder / key).glob("*-*.part")} for key in keys]
        every = set.intersection(*named) if named else set()
        found: list[range] = []
        for start, stop in sorted(_numbers(every), key=lambda ends: (ends[0], -ends[1])):
            if start < stop <= images and (not found or start >= found[-1].stop):
                found.append(range(start, stop))
        return tuple(found)

    def get(self, key: str, rows: range) -> dict[str, NDArray[Any]] | None:
        """The arrays of a part, or None."""
        path = self._path(key, rows)
        try:
            with open_regular(path) as file:
                content = read_all(file, _LARGEST_PART)
            if content != _sealed(f"{key} {rows}", content[_DIGEST:]):
                raise ZsadError("not what was written")
            arrays: dict[str, NDArray[Any]] = load(content[_DIGEST:])
        except (ZsadError, OSError, TooLongError, SafetensorError) as error:
            log.warning("%s cannot be read, so its images are scored again: %s", path, error)
            return None
        return arrays

    def put(self, key: str, rows: range, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Keep a part; where there is no room, its images are scored again."""
        path = self._path(key, rows)
        try:
            write_bytes(path, _sealed(f"{key} {rows}", save(dict(arrays))))
        except OSError as error:
            log.warning("%s cannot be kept: %s", path, error)

    def has(self, keys: Iterable[str], rows: range) -> bool:
        """Whether all cells under `keys` have a part of just this range."""
        return all(self._path(key, rows).is_file() for key in keys)

    def remove(self, key: str) -> None:
        """Remove the parts of a cell that is finished."""
        shutil.rmtree(self._folder / key, ignore_errors=True)


def remove_parts(profile: str, keep: Collection[str] = ()) -> None:
    """Remove the parts of a profile's cells, but for those of the cells under the keys `keep`."""
    for path in (PARTS / profile).glob("*/*"):
        if path.name not in keep:
            shutil.rmtree(path, ignore_errors=True)
    for folder in (PARTS / profile).glob("*"):
        with suppress(OSError):  # something is in it
            folder.rmdir()


def _numbers(names: Iterable[str]) -> Iterable[tuple[int, int]]:
    for name in names:
        start, _, stop = name.partition("-")
        if start.isdecimal() and stop.isdecimal():
            yield int(start), int(stop)


class TextStore:
    """Text features in a fixed number of places, so that they never take more than 0.5 GB.

    The start of a key names the place; another key that begins so takes it over. A file is a digest over its
    key and its numbers, then the numbers: cut, altered or of another key, it counts as absent.
    """

    def __init__(self, root: Path = TEXTS) -> None:
        self._root = root

    def _path(self, key: str) -> Path:
        return self._root / key[:2] / f"{key[2:4]}.f32"  # 65,536 places, 8 kB each for 768 channels

    def get(self, key: str, shape: tuple[int, ...]) -> NDArray[np.float32] | None:
        """The features of `shape` under `key`, float32, or None."""
        path, size = self._path(key), _DIGEST + int(np.prod(shape)) * np.float32().itemsize
        try:
            with open_regular(path) as file:
                content = file.read(size + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            log.warning("%s cannot be read, so its text is encoded again: %s", path, error)
            return None
        if len(content) != size or content != _sealed(key, content[_DIGEST:]):
            return None
        return np.frombuffer(content, "<f4", offset=_DIGEST).reshape(shape).astype(np.float32)

    def put(self, key: str, features: NDArray[np.float32]) -> None:
        """Keep features; where there is no room, the next worker encodes them again."""
        try:
            write_bytes(self._path(key), _sealed(key, features.astype("<f4").tobytes()))
        except OSError as error:
            log.warning("%s cannot be kept: %s", self._path(key), error)


_DIGEST = hashlib.sha256().digest_size
_LARGEST_PART = 512 << 20
"""Bytes: 64 MiB of counts or scores at most, and some 4 kB an image."""


def _sealed(key: str, numbers: bytes) -> bytes:
    return hashlib.sha256(key.encode() + numbers).digest() + numbers
