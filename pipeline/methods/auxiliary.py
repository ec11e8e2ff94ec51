"""The pictures that a learnt method is tuned on, and new ones made of them.

A new picture in place of an old one (VAND's mosaics) has no cached features: it takes a tower pass of its
own. Training asks for them batch by batch and passes them through the tower; here is what they look like.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isqrt
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from pipeline.errors import DataError

Picture = tuple[NDArray[np.uint8], NDArray[np.bool_]]
"""An image, uint8 (S, S, 3) RGB, and its mask, (S, S), true where anomalous."""


@dataclass(frozen=True)
class AuxiliarySet:
    """One data set at one resolution; arrays may be memory-mapped.

    Attributes:
        name: Of the data set.
        images: uint8 (N, S, S, 3) RGB.
        masks: (N, S, S), non-zero where anomalous.
        labels: (N,), 0 normal and 1 anomalous.
        class_names: N names, as the prompts use them.

    Raises:
        DataError: the set is empty or the parts differ in length.
    """

    name: str
    images: NDArray[np.uint8]
    masks: NDArray[np.uint8]
    labels: NDArray[np.integer]
    class_names: Sequence[str]

    def __post_init__(self) -> None:
        lengths = {len(self.images), len(self.masks), len(self.labels), len(self.class_names)}
        if len(lengths) != 1 or not lengths.pop():
            raise DataError(
                f"auxiliary set {self.name}: images, masks, labels and class names must be equally many"
            )

    def __len__(self) -> int:
        return len(self.images)

    def picture(self, row: int) -> Picture:
        """The image of a row with its mask."""
        return self.images[row], self.masks[row] != 0

    def members(self, class_name: str) -> list[int]:
        """The rows of a class."""
        return [row for row, other in enumerate(self.class_names) if other == class_name]

    def anomalous(self, class_name: str) -> list[int]:
        """The anomalous rows of a class; all of them where none is."""
        rows = self.members(class_name)
        return [row for row in rows if self.labels[row]] or rows


def mosaic(pictures: Sequence[Picture]) -> Picture:
    """n² pictures in a square, row by row, shrunk to one."""
    images, masks = zip(*pictures, strict=True)
    return resized((_square(images), _square(masks)), len(images[0]))


def resized(picture: Picture, size: int) -> Picture:
    """A picture at another side: the image bicubic, its mask bilinear and cut at one half."""
    image, mask = (Image.fromarray(part) for part in (picture[0], picture[1].astype(np.uint8) * 255))
    small = np.asarray(image.resize((size, size), Image.Resampling.BICUBIC))
    small_mask = np.asarray(mask.resize((size, size), Image.Resampling.BILINEAR))
    return small, small_mask > 0.5 * 255


def draw_mosaic(auxiliary: AuxiliarySet, members: Sequence[int], generator: torch.Generator) -> Picture:
    """Four of the images `members`, drawn with replacement, at the tower's resolution.

    VAND's are of a class. Its public code makes mosaics of the images as published and draws a defect type
    first, then an image. Bayes-PFL's are of the anomalous images of a class.
    """
    drawn = torch.randint(len(members), (4,), generator=generator).tolist()
    return mosaic([auxiliary.picture(members[index]) for index in drawn])


def draw_square(auxiliary: AuxiliarySet, row: int, grid: int, generator: torch.Generator) -> Picture:
    """UniADet's mosaic: grid² images of the class of `row`, itself among them; all normal if it is."""
    members = auxiliary.members(auxiliary.class_names[row])
    if not auxiliary.labels[row]:
        members = [member for member in members if not auxiliary.labels[member]]
    drawn = torch.randint(len(members), (grid * grid - 1,), generator=generator).tolist()
    rows = [row, *(members[index] for index in drawn)]
    order = torch.randperm(len(rows), generator=generator).tolist()
    return mosaic([auxiliary.picture(rows[index]) for index in order])


def draw_cell(auxiliary: AuxiliarySet, row: int, grid: int, generator: torch.Generator) -> Picture:
    """UniADet's cut: one of grid² cells of an image, enlarged; of those with a defect where there are any."""
    image, mask = auxiliary.picture(row)
    size = len(image)
    ends = [round(place * size / grid) for place in range(grid + 1)]
    spans = [slice(start, stop) for start, stop in pairwise(ends)]
    cells = [(across, down) for across in spans for down in spans]
    chosen = [cell for cell in cells if mask[cell].any()] or cells
    cell = chosen[int(torch.randint(len(chosen), (), generator=generator))]
    return resized((image[cell], mask[cell]), size)


def _square(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    side = isqrt(len(parts))
    rows = [np.concatenate(parts[start : start + side], axis=1) for start in range(0, len(parts), side)]
    return np.concatenate(rows)
