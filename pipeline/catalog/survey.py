"""What the pictures and masks of a new data set have in common, said once when it is added.

The bit depth of images in 16 bits is only known from all of them together: the largest value tells it. Masks
of another size than their images, grey ones and turned images are taken; who added them should know.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np

from pipeline.catalog.images import depth_of, open_contents, peak_of
from pipeline.catalog.masks import read_mask
from pipeline.catalog.samples import ANOMALOUS, Sample
from pipeline.catalog.tree import mask_files
from pipeline.errors import DataError, count

_MIDDLE = 127
_HALF = 0.5
_ORIENTATION = 274  # EXIF tag; 1 is upright


class _Pair(NamedTuple):
    """What is known of one sample.

    Attributes:
        peak: Largest value of a 16-bit image.
        turned: Whether a tag asks to show the image turned.
        resized: Whether its mask has another size.
        growth: Share by which more is above 0 than above the middle.
        marked: Share of the pixels that its mask marks; None without a mask.
    """

    peak: int | None = None
    turned: bool = False
    resized: bool = False
    growth: float = 0.0
    marked: float | None = None


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
        image = open_contents(content, sample.image).image
        seen = _Pair(peak_of(content, sample.image), image.getexif().get(_ORIENTATION, 1) != 1)
        if sample.mask is None or sample.label != ANOMALOUS:
            return seen
        parts = {path: (root / path).read_bytes() for path in mask_files(root, sample.mask)}
        masks = [open_contents(part, path) for path, part in parts.items()]
        shares = [np.asarray(read_mask(part, path)).mean() / 255 for path, part in parts.items()]
    except DataError:
        return _Pair()
    grey = [np.asarray(one.image.convert("L")) for one in masks if one.wide is None and one.image.mode != "P"]
    marked = sum(int((one > 0).sum()) for one in grey)
    sure = sum(int((one > _MIDDLE).sum()) for one in grey)
    return seen._replace(
        resized=any(one.image.size != image.size for one in masks),
        growth=marked / sure - 1 if sure else 0.0,
        marked=float(sum(shares)),
    )


def _notes(pairs: Sequence[_Pair], peaks: Sequence[int], depth: int | None) -> Iterable[str]:
    if peaks:
        yield (
            f"{count(len(peaks), 'image')} of 16 bits, largest value {max(peaks)}: read as {depth} bits "
            "(`bit_depth` in the record)"
        )
    if turned := sum(pair.turned for pair in pairs):
        yield (
            f"{count(turned, 'image')} with an orientation tag, which is not applied: masks must be drawn on "
            "the image as stored"
        )
    shares = [pair.marked for pair in pairs if pair.marked is not None]
    if most := sum(share > _HALF for share in shares):
        yield (
            f"{most} of {count(len(shares), 'mask')} mark more than half of the image: what is not black is "
            "the defect; invert the masks where it is the background"
        )
    if resized := sum(pair.resized for pair in pairs):
        yield f"{count(resized, 'mask')} of another size than the image, but of its shape: resized with it"
    if growths := [pair.growth for pair in pairs if pair.growth > 0]:
        yield (
            f"{count(len(growths), 'mask')} with grey values: above 0 they mark {median(growths):.0%} more "
            f"(median; most: {max(growths):.0%}) than above {_MIDDLE}; if it is noise of a lossy format, set "
            f"`mask_above: {_MIDDLE}` below `builds` in the record"
        )
