"""The digest of what a method sees of a subset at one size.

Written when the subset is prepared, compared by whoever asks. It covers the index, the images and the masks
as they lie on disk, so a flipped byte anywhere changes it.
"""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import DataError
from pipeline.files import value_digest
from pipeline.shards.manifest import read_manifest
from pipeline.shards.preprocess import Bytes
from pipeline.shards.reader import INDEX, images_name, masks_name

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
        digest = hashlib.sha256(value_digest(pq.read_table(folder / subset / INDEX).to_pylist()).encode())
        for name in names:
            for piece in _content(folder / subset / name):
                digest.update(piece)
    except (OSError, EOFError, ValueError, pa.ArrowException) as error:
        raise DataError(f"{folder / subset}: damaged ({error}); prepare the data set again") from None
    if digest.hexdigest() != entry.digests.get(size):
        raise DataError(
            f"{folder / subset}: its content at {size} pixels is not what was prepared; "
            f"run `dvc repro --force prepare@{folder.name}`"
        )


def _content(path: Path) -> Iterator[bytes]:
    """The content of an array without its header."""
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    with path.open("rb") as handle:
        handle.seek(array.offset)
        while piece := handle.read(_PIECE):
            yield piece
