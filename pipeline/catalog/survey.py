"""What the pictures and masks of a new data set have in common, said once when it is added.

The bit depth of images in 16 bits is only known from all of them together: the largest value tells it. Masks
of another size than their images, and grey ones, are taken; who added them should know.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np

from pipeline.catalog.images import depth_of, open_contents, peak_of
from pipeline.catalog.samples import ANOMALOUS, Sample
from pipeline.catalog.tree import mask_files
from pipeline.errors import DataError, count

_MIDDLE = 127


class _Pair(NamedTuple):
    """Of one sample: largest value of a 16-bit image, whether its mask has another size, its growth."""

    peak: int | None = None
    resized: bool = False
    growth: float = 0.0


class Survey(NamedTuple):
    """The bit depth of the set (None: 8 bits, or of the files' own word), and what to say."""

    bit_depth: int | None
    notes: tuple[str, ...]


def survey(root: Path, samples: Sequence[Sample]) -> Survey:
    """Look at every image and mask; what cannot be read is left to whoever prepares it."""
    pairs = [_pair(root, sample) for sample in samples]
    peaks = [pair.peak for pair in pairs if pair.peak is not None]
    depth = depth_of(max(peaks)) if peaks else None
    return Survey(depth, tuple(_notes(pairs, peaks, depth)))


def _pair(root: Path, sample: Sample) -> _Pair:
    try:
        content = (root / sample.image).read_bytes()
        peak = peak_of(content, sample.image)
        if sample.mask is None or sample.label != ANOMALOUS:
            return _Pair(peak)
        size = open_contents(content, sample.image).image.size
        masks = [open_contents((root / path).read_bytes(), path) for path in mask_files(root, sample.mask)]
    except DataError:
        return _Pair()
    grey = [np.asarray(one.image.convert("L")) for one in masks if one.wide is None and one.image.mode != "P"]
    marked = sum(int((one > 0).sum()) for one in grey)
    sure = sum(int((one > _MIDDLE).sum()) for one in grey)
    return _Pair(peak, any(one.image.size != size for one in masks), marked / sure - 1 if sure else 0.0)


def _notes(pairs: Iterable[_Pair], peaks: Sequence[int], depth: int | None) -> Iterable[str]:
    if peaks:
        yield (
            f"{count(len(peaks), 'image')} of 16 bits, largest value {max(peaks)}: read as {depth} bits "
            "(`bit_depth` in the record)"
        )
    if resized := sum(pair.resized for pair in pairs):
        yield f"{count(resized, 'mask')} of another size than the image, but of its shape: resized with it"
    if growths := [pair.growth for pair in pairs if pair.growth > 0]:
        yield (
            f"{count(len(growths), 'mask')} with grey values: above 0 they mark {median(growths):.0%} more "
            f"(median; most: {max(growths):.0%}) than above {_MIDDLE}; if it is noise of a lossy format, set "
            f"`mask_above: {_MIDDLE}` below `builds` in the record"
        )
