"""What the pictures and masks of a new data set have in common, said once when it is added.

The bit depth of images in 16 bits is only known from all of them together: the largest value tells it. Masks
of another size than their images, and grey ones, are taken; who added them should know. Masks that seem to
be inverted, and those of images that may be turned, are refused.
"""

import io
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np

from pipeline.catalog.builds import FileFact
from pipeline.catalog.images import (
    Values,
    depth_note,
    depth_of,
    open_contents,
    orientation_of,
    peak_of,
    read_image,
)
from pipeline.catalog.layouts import AnyLayout
from pipeline.catalog.layouts.image_list import ImageList, as_word
from pipeline.catalog.masks import SAME_SHAPE, read_mask
from pipeline.catalog.samples import ANOMALOUS, Sample
from pipeline.catalog.tree import mask_files, some
from pipeline.errors import DataError, count

_MIDDLE = 127
_HALF = 0.5
_EDGE = 0.9  # share of the edge of an inverted mask that is marked: objects and defects lie inside
_QUARTER_TURN = 5  # from this orientation on the sides are exchanged


class _Pair(NamedTuple):
    """What is known of one sample.

    Attributes:
        digest: Of the image's bytes; None when it cannot be read.
        peak: Largest value of a 16-bit image.
        turned: Whether a tag asks to show the image turned.
        doubtful: Whether its mask may be drawn on the turned image, for all that its shape tells.
        resized: Whether its mask has another size.
        growth: Share by which more is above 0 than above the middle.
        marked: Share of the pixels that its mask marks; None without a mask.
        edge: Share of those on the edge.
    """

    digest: str | None = None
    peak: int | None = None
    turned: bool = False
    doubtful: str = ""
    resized: bool = False
    growth: float = 0.0
    marked: float | None = None
    edge: float = 0.0


class Survey(NamedTuple):
    """The bit depth of the set (None: 8 bits, or of the files' own word), and what to say."""

    bit_depth: int | None
    notes: tuple[str, ...]


def survey(root: Path, samples: Sequence[Sample], layout: AnyLayout) -> Survey:
    """Look at every image and mask; what cannot be read is left to whoever prepares it.

    Raises:
        DataError: most masks seem to be inverted, and no list says that they are masks; or it is open whether
            masks are drawn on the images as stored.
    """
    pairs = [_pair(root, sample) for sample in samples]
    if doubtful := [pair.doubtful for pair in pairs if pair.doubtful]:
        raise DataError(
            f"{root}: {some(doubtful)}: an orientation tag, so that it is open whether the mask was drawn on "
            "the image as stored or as shown; save such images upright, or take the tag away"
        )
    if not isinstance(layout, ImageList) and (inverted := _inverted(pairs)):
        raise DataError(
            f"{root}: {inverted} of {count(len(_shares(pairs)), 'mask')} mark more than half of the image "
            "and its edge, as inverted ones do: what is not black is the defect; invert them, or list image, "
            "label and mask in a CSV if they are right"
        )
    peaks = [pair.peak for pair in pairs if pair.peak is not None]
    depth = depth_of(max(peaks)) if peaks else None
    notes = *_notes(pairs, peaks), *_equal(samples, pairs), *_graded(layout, samples)
    return Survey(depth, notes)


def _pair(root: Path, sample: Sample) -> _Pair:
    try:
        content = read_image(root / sample.image, sample.image)
        image = open_contents(content, sample.image).image
        orientation = orientation_of(image)
        digest = FileFact.of(content).sha256
        seen = _Pair(digest, peak_of(io.BytesIO(content), sample.image), orientation != 1)
        if sample.mask is None or sample.label != ANOMALOUS:
            return seen
        parts = {path: read_image(root / path, path) for path in mask_files(root, sample.mask)}
        masks = [open_contents(part, path) for path, part in parts.items()]
        marks = [np.asarray(read_mask(part, path)) > 0 for path, part in parts.items()]
    except DataError:
        return _Pair()
    grey = [np.asarray(one.image.convert("L")) for one in masks if one.wide is None and one.image.mode != "P"]
    marked = sum(int((one > 0).sum()) for one in grey)
    sure = sum(int((one > _MIDDLE).sum()) for one in grey)
    alike = all(orientation_of(one.image) == orientation for one in masks)
    return seen._replace(
        doubtful="" if alike or not _fits_turned(image.size, orientation) else sample.image,
        resized=any(one.image.size != image.size for one in masks),
        growth=marked / sure - 1 if sure else 0.0,
        marked=float(sum(one.mean() for one in marks)),
        edge=float(max(_edge(one).mean() for one in marks)),
    )


def _fits_turned(size: tuple[int, int], orientation: int) -> bool:
    """Whether an image has the same shape when shown by its tag: only 5 to 8 change the sides."""
    width, height = size
    return orientation < _QUARTER_TURN or abs(width - height) <= SAME_SHAPE * max(size)


def _edge(marked: Values) -> Values:
    """The outermost pixels."""
    return np.concatenate([marked[0], marked[-1], marked[:, 0], marked[:, -1]])


def _shares(pairs: Sequence[_Pair]) -> list[float]:
    return [pair.marked for pair in pairs if pair.marked is not None]


def _inverted(pairs: Sequence[_Pair]) -> int:
    """How many masks seem to be inverted, when most do; what marks all alone tells nothing."""
    shares = _shares(pairs)
    seem = [pair.marked for pair in pairs if pair.marked and pair.marked > _HALF and pair.edge > _EDGE]
    return len(seem) if len(seem) > _HALF * len(shares) and min(seem) < 1 else 0


def _notes(pairs: Sequence[_Pair], peaks: Sequence[int]) -> Iterable[str]:
    if peaks:
        yield f"{depth_note(peaks)} (`bit_depth` in the record)"
    if turned := sum(pair.turned for pair in pairs):
        yield (
            f"{count(turned, 'image')} with an orientation tag, which is not applied: the methods see such "
            "images as they are stored"
        )
    shares = _shares(pairs)
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


def _equal(samples: Sequence[Sample], pairs: Sequence[_Pair]) -> Iterable[str]:
    """Images that are there more than once."""
    groups: dict[str, list[Sample]] = defaultdict(list)
    for sample, pair in zip(samples, pairs, strict=True):
        if pair.digest:
            groups[pair.digest].append(sample)
    several = [group for group in groups.values() if len(group) > 1]
    torn = [group for group in several if len({sample.label for sample in group}) > 1]
    if several:
        one, *_, other = sorted((torn or several)[0], key=lambda sample: sample.label)
        yield (
            f"{count(len(several), 'image')} there more than once, {len(torn)} of them both as normal and as "
            f"anomalous, such as {one.image} and {other.image}: take all but one away"
        )


def _graded(layout: AnyLayout, samples: Sequence[Sample]) -> Iterable[str]:
    """How labels that are fractions were taken."""
    if isinstance(layout, ImageList) and layout.anomalous_above is not None:
        labels = Counter(as_word(sample.defect) for sample in samples if sample.label == ANOMALOUS)
        told = some(f"{number} of {label}" for label, number in sorted(labels.items()))
        yield (
            f"labels are degrees: above {layout.anomalous_above:g} is anomalous ({told}); to draw the line "
            "elsewhere change `anomalous_above` in the record, and its counts"
        )
