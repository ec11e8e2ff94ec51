"""The reference images of a subset: a fixed draw of normal training images, for the few-shot track.

The order of the draw follows from a seed and from the published names alone, so it is the same on every
machine, and k images are the first k of more: what one shot sees, two and four shots see too. Only what can
be asked for is prepared, not whole training parts.
"""

import hashlib
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from pipeline.catalog import DatasetRecord, Listing, Sample
from pipeline.settings import MOST_SHOTS
from pipeline.shards.arrays import Arrays, create_array, fill_row
from pipeline.shards.manifest import Reference
from pipeline.shards.reader import references_name

SEED = 111
"""Of the draw; it is the seed of the trainings too."""


def drawn(listing: Listing, subset: str, dataset: str) -> list[Sample]:
    """At most `MOST_SHOTS` normal training images of a subset, in the order of the draw.

    The order is that of SHA-256 over seed, data set, subset and path below the folder of the layout.
    """

    def place(sample: Sample) -> str:
        path = sample.name.removeprefix(f"{listing.base}/")
        return hashlib.sha256("\x1f".join((str(SEED), dataset, subset, path)).encode()).hexdigest()

    there = [sample for sample in listing.references if sample.subset == subset]
    return sorted(there, key=place)[:MOST_SHOTS]


def write_references(
    samples: Sequence[Sample], root: Path, folder: Path, sizes: Sequence[int], record: DatasetRecord
) -> tuple[Reference, ...]:
    """Decode the images once, write them at every size, and say what was written; of no image nothing.

    Raises:
        DataError: an image is missing or cannot be decoded.
        OSError: the machine cannot read or write a file now.
    """
    if not samples:
        return ()
    with ExitStack() as stack:
        shapes = {size: (len(samples), size, size, 3) for size in sizes}
        arrays = [
            Arrays(size, create_array(stack, folder / references_name(size), shape), None)
            for size, shape in shapes.items()
        ]
        for row, sample in enumerate(samples):
            fill_row(root, sample, row, arrays, record)
        for one in arrays:
            one.flush()
        return tuple(
            Reference(
                image=sample.name,
                digests={one.size: hashlib.sha256(one.images[row].data).hexdigest() for one in arrays},
            )
            for row, sample in enumerate(samples)
        )
