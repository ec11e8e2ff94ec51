"""Which images of a set that is tuned on are also in one that is evaluated, and which cells that touches.

Equal is the same file, and the same piece of it. Near are pictures whose perceptual hashes differ in few
bits: pHash of the ImageHash library, the signs of the lowest 16 x 16 cosine frequencies around their median,
which a new size, another format or a little more light hardly moves. A picture of one colour has no such
hash.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline import catalog
from pipeline.catalog import Sample
from pipeline.catalog.images import decode
from pipeline.cells import members
from pipeline.errors import DataError
from pipeline.execution.systems import plan_cells, resolve_systems
from pipeline.params import Params
from pipeline.plan import Subset
from pipeline.progress import Steps, progress
from pipeline.shards.arrays import crop_to

SIDE: Final = 16
BITS: Final = SIDE * SIDE
NEAR: Final = 24
"""Most bits by which near pictures differ; those of two different ones differ in half of `BITS`."""

_THREADS: Final = 4  # Pillow decodes outside the interpreter's lock
_ROWS: Final = 256  # compared at a time


class Duplicate(NamedTuple):
    """An image that is evaluated, `place` being data set and subset, and its twin in what is tuned on.

    `bits` is by how many their hashes differ, None where they are equal.
    """

    place: str
    image: str
    twin_place: str
    twin: str
    bits: int | None


@dataclass(frozen=True)
class Overlap:
    """An auxiliary set and a data set, and what both hold.

    Attributes:
        auxiliary: the set that is tuned on.
        dataset: the one that is evaluated.
        duplicates: in the order of the evaluated images.
        cells: those of the run whose numbers they touch; none where nothing that is tuned on the set is
            evaluated there.
    """

    auxiliary: str
    dataset: str
    duplicates: tuple[Duplicate, ...]
    cells: tuple[str, ...]


@dataclass(frozen=True)
class _Images:
    """The test images of one data set: name, place, digest, and hash in words of 64 bits, zeros for none."""

    names: tuple[str, ...]
    places: tuple[str, ...]
    digests: tuple[str, ...]
    hashes: NDArray[np.uint64]


def overlaps(params: Params) -> Iterator[Overlap]:
    """Every pair of an auxiliary set of a run and another data set of it whose files are here.

    Raises:
        ZsadError: params that cannot be run, or an image that cannot be read.
    """
    cells = _cells(params)
    here = [name for name in _asked(params) if name not in missing(params)]
    images: dict[str, _Images] = {}
    with progress("look for duplicates", len(here)) as steps:
        for name in here:
            images[name] = _read(params, name, steps)
    for auxiliary in _tuned_on(params):
        for dataset in catalog.evaluated(here):
            if dataset != auxiliary and auxiliary in images:
                found = tuple(_shared(images[dataset], images[auxiliary]))
                touched = {cell for it in found for cell in cells[auxiliary, it.place]}
                yield Overlap(auxiliary, dataset, found, tuple(sorted(touched)))


def missing(params: Params) -> tuple[str, ...]:
    """The data sets of a run whose files are not here, so that nothing is known of their images."""
    return tuple(name for name in _asked(params) if not catalog.files_of(name, params.data_root).is_dir())


def _tuned_on(params: Params) -> tuple[str, ...]:
    """The data sets that something is tuned on, alone or with others."""
    return tuple(dict.fromkeys(name for auxiliary in params.trained_on for name in members(auxiliary)))


def _asked(params: Params) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*_tuned_on(params), *params.every_dataset)))


def _cells(params: Params) -> dict[tuple[str, str], list[str]]:
    """Data set that is tuned on and place to the names of the cells that a run has there; no refused ones."""
    subsets = [
        Subset(dataset, name, 0)
        for dataset in catalog.evaluated(params.every_dataset)
        for name in _record(params, dataset).subset_names
    ]
    groups, _ = plan_cells(params, resolve_systems(params), subsets)
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for group in groups:
        for cell in group.cells:
            for member in members(cell.auxiliary) if cell.auxiliary else ():
                found[member, f"{group.dataset}/{group.subset}"].append(cell.key.name)
    return found


def _record(params: Params, dataset: str) -> catalog.DatasetRecord:
    return catalog.record(dataset).accepting(params.builds.get(dataset))


def _read(params: Params, dataset: str, steps: Steps) -> _Images:
    record, root = _record(params, dataset), catalog.files_of(dataset, params.data_root)
    samples = catalog.list_samples(record, root).samples
    depth = record.builds[0].bit_depth
    with ThreadPoolExecutor(_THREADS) as pool:
        seen = list(pool.map(partial(_seen, root, depth), samples))
    steps.step(f"{dataset}: {len(samples)} images")
    return _Images(
        names=tuple(sample.name for sample in samples),
        places=tuple(f"{dataset}/{sample.subset}" for sample in samples),
        digests=tuple(digest for digest, _ in seen),
        hashes=np.array([words for _, words in seen], np.uint64).reshape(len(seen), BITS // 64),
    )


def _seen(root: Path, depth: int | None, sample: Sample) -> tuple[str, NDArray[np.uint64]]:
    """Digest and hash of one image."""
    import imagehash  # with SciPy, which takes long to import

    content = (root / sample.image).read_bytes()
    digest = hashlib.sha256(content).hexdigest() + str(sample.crop or "")
    try:
        picture = crop_to(decode(content, sample.image, depth), sample.crop, sample.image).convert("L")
    except DataError as error:
        raise DataError(f"{root}: {error}") from None
    low, high = picture.getextrema()
    if low == high:
        return digest, np.zeros(BITS // 64, np.uint64)
    bits = imagehash.phash(picture, hash_size=SIDE).hash
    return digest, np.packbits(bits).view(np.uint64)


def _shared(ours: _Images, theirs: _Images) -> Iterator[Duplicate]:
    """The images of `ours` that are in `theirs`, each with its nearest twin there, an equal one first."""
    known = {digest: twin for twin, digest in reversed(list(enumerate(theirs.digests)))}
    nearest = _nearest(ours.hashes, theirs.hashes)
    for row, digest in enumerate(ours.digests):
        equal = known.get(digest)
        twin, bits = (equal, None) if equal is not None else nearest[row]
        if equal is not None or (bits is not None and bits <= NEAR):
            yield Duplicate(ours.places[row], ours.names[row], theirs.places[twin], theirs.names[twin], bits)


def _nearest(ours: NDArray[np.uint64], theirs: NDArray[np.uint64]) -> Sequence[tuple[int, int]]:
    """Of each hash in `ours`, the nearest in `theirs` and by how many bits it differs; `BITS` without any."""
    found: list[tuple[int, int]] = []
    blank = ~theirs.any(1)
    for start in range(0, len(ours), _ROWS):
        part = ours[start : start + _ROWS]
        apart = np.bitwise_count(part[:, None] ^ theirs[None]).sum(2, dtype=np.int64)
        apart[:, blank] = BITS
        apart[~part.any(1)] = BITS
        places = apart.argmin(1) if len(theirs) else np.zeros(len(part), np.int64)
        lowest = apart.min(1, initial=BITS)
        found += zip(places.tolist(), lowest.tolist(), strict=True)
    return found
