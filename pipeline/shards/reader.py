"""Open the prepared images and masks of one subset, without reading them.

The digest of what a method sees of a subset at one size.

Written when the subset is prepared, compared by whoever asks. It covers the index, the images and the masks
as they lie on disk, so a flipped byte anywhere changes it.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.errors import DataError, is_fault
from pipeline.files import open_regular, value_digest
from pipeline.shards.manifest import read_manifest

Bytes = NDArray[np.uint8]

INDEX = "index.parquet"
_LONGEST_FOOTER = 16 << 20
_MOST_BYTES = 512 << 20  # of the rows; a million images take some 100 MB
_ROWS = 1024
INDEX_SCHEMA = pa.schema(
    [
        pa.field("image", pa.string(), nullable=False),
        pa.field("mask", pa.string()),
        pa.field("label", pa.int8(), nullable=False),
        pa.field("defect", pa.string(), nullable=False),
        pa.field("width", pa.int32(), nullable=False),
        pa.field("height", pa.int32(), nullable=False),
    ]
)


def images_name(size: int) -> str:
    """File name of the images of one size."""
    return f"images-{size}.npy"


def masks_name(size: int) -> str:
    """File name of the packed masks of one size."""
    return f"masks-{size}.npy"


def references_name(size: int) -> str:
    """File name of the reference images of one size."""
    return f"references-{size}.npy"


@dataclass(frozen=True)
class SubsetShard:
    """The prepared test split of one subset at one size.

    Attributes:
        subset: its name.
        class_name: what class-aware methods put into their prompts.
        size: S.
        images: memory map, uint8 (N, S, S, 3) RGB.
        labels: int64 (N,), 0 normal and 1 anomalous.
        paths: name of each image: its published path, and the piece of it that is meant.
        packed: memory map of the packed masks, None in sets without masks.
    """

    subset: str
    class_name: str
    size: int
    images: Bytes
    labels: NDArray[np.int64]
    paths: tuple[str, ...]
    packed: Bytes | None

    def __len__(self) -> int:
        return len(self.paths)

    def masks(self, start: int, stop: int) -> Bytes | None:
        """Masks of the images `start` to `stop`, uint8 (n, S, S) of 0 and 1; None in sets without masks."""
        if self.packed is None:
            return None
        bits = np.unpackbits(self.packed[start:stop], axis=1, count=self.size * self.size)
        return bits.reshape(-1, self.size, self.size)


def open_subset(folder: Path, subset: str, size: int) -> SubsetShard:
    """Open one subset of a prepared data set.

    Raises:
        DataError: not prepared, not at this size, not usable (with the reason that was recorded), or damaged.
    """
    entry = read_manifest(folder).subset(subset)
    if entry.error is not None:
        raise DataError(entry.error)
    if size not in entry.digests:
        sizes = ", ".join(map(str, entry.digests))
        raise DataError(f"{folder / subset}: prepared at {sizes}, not at {size}; prepare it at that size")
    try:
        index = _index(folder / subset)
        images = _mapped(folder / subset / images_name(size))
        packed = _mapped(folder / subset / masks_name(size)) if entry.masks else None
    except (OSError, EOFError, ValueError, pa.ArrowException) as error:
        if is_fault(error):
            raise
        raise DataError(f"{folder / subset}: damaged ({error}); prepare the data set again") from None
    if len(images) != index.num_rows or (packed is not None and len(packed) != index.num_rows):
        raise DataError(f"{folder / subset}: index and arrays differ in length; prepare the data set again")
    return SubsetShard(
        subset=subset,
        class_name=entry.class_name,
        size=size,
        images=images,
        labels=index["label"].to_numpy().astype(np.int64),
        paths=tuple(index["image"].to_pylist()),
        packed=packed,
    )


def open_references(folder: Path, subset: str, size: int, count: int) -> Bytes:
    """The first `count` reference images of a subset as they were prepared, uint8 (count, S, S, 3) RGB.

    Raises:
        DataError: there are fewer, or a file is missing, damaged or not what was prepared.
    """
    known = read_manifest(folder).subset(subset).references[:count]
    try:
        images: Bytes = np.array(_mapped(folder / subset / references_name(size))[:count])
    except (OSError, EOFError, ValueError) as error:
        if is_fault(error):
            raise
        raise DataError(f"{folder / subset}: damaged ({error}); prepare the data set again") from None
    found = [hashlib.sha256(image.data).hexdigest() for image in images]
    if len(found) < count or found != [reference.digests.get(size) for reference in known]:
        raise DataError(
            f"{folder / subset}: its reference images at {size} pixels are not what was prepared; "
            f"run `dvc repro --force prepare@{folder.name}`"
        )
    return images


def _index(folder: Path) -> pa.Table:
    """The index of a subset: columns are looked at before rows, and rows are read up to a bound.

    Raises:
        ValueError: it is none of ours, or longer than an index can be; a small file can say so.
    """
    with open_regular(folder / INDEX) as content:
        file = pq.ParquetFile(content, thrift_string_size_limit=_LONGEST_FOOTER)
        if not file.schema_arrow.equals(INDEX_SCHEMA):
            raise ValueError(f"the columns of {INDEX} are others")
        batches, left = [], _MOST_BYTES
        for batch in file.iter_batches(batch_size=_ROWS, use_threads=False):
            left -= batch.nbytes
            if left < 0:
                raise ValueError(f"{INDEX} has more than {_MOST_BYTES >> 20} MB of rows")
            batches.append(batch)
        return pa.Table.from_batches(batches, INDEX_SCHEMA)


def _mapped(path: Path) -> Any:
    open_regular(path).close()  # a pipe would be waited for
    return np.load(path, mmap_mode="r", allow_pickle=False)


_PIECE = 1 << 20  # bytes


def shard_digest(rows: Sequence[dict[str, Any]], images: Bytes, masks: Bytes | None) -> str:
    """SHA-256 of index rows, images (N, S, S, 3) and packed masks (N, ceil(S*S/8)); None without masks."""
    digest = hashlib.sha256(value_digest(rows).encode())
    for array in (images, masks):
        if array is not None:
            digest.update(array.data)
    return digest.hexdigest()


def verify_subset(folder: Path, subset: str, size: int) -> None:
    """Compare the prepared files of a subset at one size with what the manifest says of them.

    They are read through, a piece at a time: an array is never in memory as a whole.

    Raises:
        DataError: a file is missing or damaged, or its content is not what was prepared.
    """
    entry = read_manifest(folder).subset(subset)
    names = [images_name(size), *([masks_name(size)] if entry.masks else [])]
    try:
        digest = hashlib.sha256(value_digest(_index(folder / subset).to_pylist()).encode())
        for name in names:
            for piece in _content(folder / subset / name):
                digest.update(piece)
    except (OSError, EOFError, ValueError, pa.ArrowException) as error:
        if is_fault(error):
            raise
        raise DataError(f"{folder / subset}: damaged ({error}); prepare the data set again") from None
    if digest.hexdigest() != entry.digests.get(size):
        raise DataError(
            f"{folder / subset}: its content at {size} pixels is not what was prepared; "
            f"run `dvc repro --force prepare@{folder.name}`"
        )


def subset_stamp(folder: Path, subset: str, size: int) -> str:
    """Stands for the prepared files of a subset as they lie on disk now: sizes and times, nothing is read.

    As long as it is the same, what `verify_subset` has said still holds.
    """
    found: list[Any] = []
    for name in (INDEX, images_name(size), masks_name(size)):
        try:
            state = (folder / subset / name).stat()
        except OSError:
            found.append(None)
        else:
            found.append([state.st_size, state.st_mtime_ns])
    return value_digest([folder.name, subset, size, found])


def _content(path: Path) -> Iterator[bytes]:
    """The content of an array without its header."""
    array = _mapped(path)
    with path.open("rb") as handle:
        handle.seek(array.offset)
        while piece := handle.read(_PIECE):
            yield piece
