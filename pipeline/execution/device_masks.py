"""What the masks of a batch say, made once for all its cells and uploaded to the device where maps lie.

Labelling masks and cutting strata depend on masks alone; counting (`pipeline.execution.counts`) then never
waits for the processor.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pipeline.clip.architecture import upload
from pipeline.metrics import ImageRegions
from pipeline.metrics.arrays import Ints
from pipeline.metrics.regions import rank_weights
from pipeline.metrics.sketch import HIT_STRATA, NORMAL_STRATA, cuts, middles, sample_step


@dataclass(frozen=True)
class DeviceMasks:
    """What the masks of a batch say, made once for all cells and uploaded.

    A pixels of B images of n pixels are anomalous; those of a region lie together, as do those of an image.

    Attributes:
        regions: of each image.
        pixels: (A,) places in the batch's pixels.
        region: (A,) number of its region, as the upper half of a word.
        image: (A,) number of its image, as the upper half of a word.
        weights: (A,) region weights, from the highest score of each region down.
        hidden: (B, samples) which sampled pixels are anomalous.
        normal: (B, strata) middles among the sampled normal pixels.
        strata: how many of them are read, image by image.
        hit: (strata,) middles among the anomalous pixels, image by image; `start` and `end` of each.
        lonely: of images whose sampled pixels are all anomalous: the others.
    """

    regions: Sequence[ImageRegions]
    pixels: Tensor
    region: Tensor
    image: Tensor
    weights: Tensor
    hidden: Tensor
    normal: Tensor
    strata: Sequence[int]
    hit: Tensor
    start: Tensor
    end: Tensor
    lonely: dict[int, Tensor]

    @classmethod
    def of(cls, regions: Sequence[ImageRegions], device: torch.device) -> "DeviceMasks":
        """Of the regions of masks of one size."""

        def there(values: Any) -> Tensor:
            return upload(torch.from_numpy(np.ascontiguousarray(values)), device)

        size = regions[0].shape[0] * regions[0].shape[1] if regions else 0
        areas = [image.areas for image in regions]
        hits = np.array([image.pixels.size for image in regions], np.int64)
        normal = np.ones((len(regions), size), np.bool_)
        for image, row in zip(regions, normal, strict=True):
            row[image.pixels] = False
        sampled = normal[:, :: sample_step(size)]
        bounds = [start + cuts(count, HIT_STRATA) for start, count in zip(_starts(hits), hits, strict=True)]
        before = _starts(np.array([part.size for part in areas], np.int64))
        region = [image.region + first for image, first in zip(regions, before, strict=True)]
        strata = [middles(cuts(int(row.sum()), NORMAL_STRATA)) for row in sampled]
        pixels = [image.pixels + place * size for place, image in enumerate(regions)]
        return cls(
            regions,
            there(_joined(pixels)),
            there(_joined(region) << 32),
            there(np.repeat(np.arange(len(regions)), hits) << 32),
            there(rank_weights(_joined(areas))),
            there(~sampled),
            there(_padded(strata)),
            [part.size for part in strata],
            there(_joined([middles(part) for part in bounds])),
            there(_joined([part[:-1] for part in bounds])),
            there(_joined([part[1:] for part in bounds])),
            {
                place: there(np.flatnonzero(row))
                for place, row in enumerate(normal)
                if row.any() and not sampled[place].any()
            },
        )


Masks = list[ImageRegions] | DeviceMasks


def counts_on(device: torch.device) -> bool:
    """Whether pixels are counted where the maps lie; on a CPU NumPy is several times as fast."""
    return device.type == "cuda"


def masks_on(device: torch.device, regions: list[ImageRegions]) -> Masks:
    """What the `pixel_state` of a device takes in place of the masks of a batch."""
    return DeviceMasks.of(regions, device) if regions and counts_on(device) else regions


def _starts(sizes: Ints) -> Ints:
    return np.cumsum(sizes) - sizes


def _joined(parts: Sequence[Ints]) -> Ints:
    return np.concatenate([np.zeros(0, np.int64), *parts])


def _padded(parts: Sequence[Ints]) -> Ints:
    """(parts, strata), filled up with zeros."""
    table = np.zeros((len(parts), NORMAL_STRATA), np.int64)
    for row, part in zip(table, parts, strict=True):
        row[: part.size] = part
    return table
