"""The digest of what a method sees of a subset at one size.

Written when the subset is prepared, compared by whoever asks. It covers the index, the images and the masks
as they lie on disk, so a flipped byte anywhere changes it.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import DataError
from pipeline.files import value_digest
from pipeline.shards.manifest import SubsetEntry
from pipeline.shards.preprocess import Bytes
from pipeline.shards.reader import INDEX, images_name, masks_name


def shard_digest(rows: Sequence[dict[str, Any]], images: Bytes, masks: Bytes | None) -> str:
    """SHA-256 of index rows, images (N, S, S, 3) and packed masks (N, ceil(S*S/8)); None without masks."""
    digest = hashlib.sha256(value_digest(rows).encode())
    for array in (images, masks):
        if array is not None:
            digest.update(array.data)
    return digest.hexdigest()


def verify_subset(folder: Path, entry: SubsetEntry) -> None:
    """Read a prepared subset, at every size, and compare it with what the manifest says of it.

    Args:
        folder: of the prepared data set.
        entry: the subset, as its manifest describes it; usable.

    Raises:
        DataError: a file is missing or damaged, or its content is not what was prepared.
    """
    subset = folder / entry.name
    for size, expected in entry.digests.items():
        try:
            rows = pq.read_table(subset / INDEX).to_pylist()
            images = np.load(subset / images_name(size), mmap_mode="r", allow_pickle=False)
            masks = (
                np.load(subset / masks_name(size), mmap_mode="r", allow_pickle=False) if entry.masks else None
            )
        except (OSError, EOFError, ValueError, pa.ArrowException) as error:
            raise DataError(f"{subset}: damaged ({error}); prepare the data set again") from None
        if shard_digest(rows, images, masks) != expected:
            raise DataError(f"{subset}: its content at {size} pixels has changed; prepare the data set again")
