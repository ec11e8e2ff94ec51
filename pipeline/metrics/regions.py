"""Ground-truth regions of a mask, and what each of their pixels weighs in PRO.

A region is an 8-connected component of one image's mask. Labelling depends on masks alone and costs more
than counting, so a batch that several methods are scored on is labelled once: `label_masks`, whose result
`PixelState.update` takes in place of the masks.

PRO is the mean over regions of the covered share of the region, so a pixel of a region of A pixels weighs
1/A. The weights are integers in units of 2^-38 regions: sums of integers do not depend on their order.
They are rounded so that the sum over the first i pixels of a region, from its highest score down, is
floor(i 2^38 / A): a whole region weighs exactly 2^38, and no partial sum is off by more than one unit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.metrics.arrays import Ints, Keys, mask_array

WEIGHT_BITS = 38
"""A region weighs 2^38. Regions, and pixels of a region, may number 2^25 before 64 bits overflow."""

_EIGHT_CONNECTED = np.ones((3, 3), np.bool_)
_LOW = np.uint64(0xFFFFFFFF)


@dataclass(frozen=True, slots=True)
class ImageRegions:
    """The anomalous pixels of one mask: flat `pixels` (A,), the `region` of each (A,), `areas` (regions,)."""

    shape: tuple[int, int]
    pixels: npt.NDArray[np.intp]
    region: Ints
    areas: Ints


def label_masks(masks: Any, names: Sequence[str] = ()) -> list[ImageRegions]:
    """Regions of each mask of a batch (B, H, W) of 0/1, NumPy or torch.

    Raises:
        ZsadError: a mask holds other values than 0 and 1; `names` is used to say which.
    """
    return [_label(mask) for mask in mask_array(masks, names)]


def region_weights(keys: Keys, regions: ImageRegions) -> tuple[Keys, Ints]:
    """Scores and PRO weights of the anomalous pixels, in an order of its own.

    Args:
        keys: (A,) score keys of `regions.pixels`.
        regions: the regions of the mask.

    Returns:
        Keys (A,) and the weight (A,) of each, in units of 2^-38 regions.
    """
    # One value sort of (region, inverted key) words: an argsort would cost ten times as much.
    words = (regions.region.astype(np.uint64) << np.uint64(32)) | (keys ^ np.uint32(_LOW)).astype(np.uint64)
    words.sort()
    return (words & _LOW).astype(np.uint32) ^ np.uint32(_LOW), rank_weights(regions.areas)


def rank_weights(areas: Ints) -> Ints:
    """Weights (A,) of the pixels of regions of `areas`: region by region, from the highest score down."""
    starts = np.cumsum(areas) - areas
    area = np.repeat(areas, areas)
    rank = np.arange(area.size) - np.repeat(starts, areas)
    weights: Ints = ((rank + 1) << WEIGHT_BITS) // area - (rank << WEIGHT_BITS) // area
    return weights


def _label(mask: npt.NDArray[np.bool_]) -> ImageRegions:
    from scipy import ndimage  # 0.3 s that a program that only looks at images need not spend

    height, width = mask.shape
    pixels = np.flatnonzero(mask)
    if not pixels.size:
        return ImageRegions((height, width), pixels, np.zeros(0, np.int64), np.zeros(0, np.int64))
    rows, columns = np.divmod(pixels, width)
    top, left = rows[0], columns.min()
    box = mask[top : rows[-1] + 1, left : columns.max() + 1]
    labels, count = ndimage.label(box, _EIGHT_CONNECTED)
    region = labels[rows - top, columns - left].astype(np.int64) - 1
    return ImageRegions((height, width), pixels, region, np.bincount(region, minlength=count))
