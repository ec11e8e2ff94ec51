"""Augmentation of the pictures that a method is tuned on: what photographs of the same thing may differ in.

Kinds, probabilities and ranges are those that Bayes-PFL's public code asks albumentations 1.3.1 for, each
with that library's defaults. Here they meet an image at the tower's resolution, there as it was published.
All chance comes from the generator that is given; a mask follows what moves its image and nothing else.
"""

from collections.abc import Callable, Sequence
from math import ceil, cos, radians, sin

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter

from pipeline.methods.auxiliary import AuxiliarySet, Picture, draw_mosaic
from pipeline.methods.base import Share, Training

_Image = NDArray[np.uint8]

_DEGREES = 30.0
_LIGHT = 0.2  # brightness, contrast and saturation to within this share
_HUE = 0.2  # of the circle
_VARIANCES = (10.0, 50.0)  # of the noise, in grey levels squared
_BLURS = (0.8, 1.1, 1.4)  # σ of Gaussians over 3, 5 and 7 pixels, as OpenCV has them


def augmented(picture: Picture, share: float, generator: torch.Generator) -> Picture | None:
    """Rotation, quarter turns, light, noise, and one of two blurs and a change of colours.

    Args:
        picture: Image and mask; not changed.
        share: Probability of each of the five.
        generator: Of all chance.

    Returns:
        A new picture; None where none of the five was drawn.
    """
    chosen = (torch.rand(5, generator=generator) < share).tolist()
    image, mask = picture
    if chosen[0]:
        angle = _between(-_DEGREES, _DEGREES, generator)
        image, mask = _rotated(image, angle, Image.Resampling.BILINEAR), _rotated(mask, angle) != 0
    if chosen[1]:
        turns = _index(4, generator)
        image, mask = np.rot90(image, turns), np.rot90(mask, turns)
    for wanted, change in zip(chosen[2:], (_relit, _noisy, _one_of_three), strict=True):
        if wanted:
            image = change(image, generator)
    return (np.ascontiguousarray(image), np.ascontiguousarray(mask)) if any(chosen) else None


class AugmentedTraining(Training):
    """A training whose pictures are all augmented, as Bayes-PFL's.

    Attributes:
        mosaic: Probability that an image is first replaced by a 2x2 mosaic of anomalous images of its class.
        augment: Probability of each of the five changes.
    """

    augment: Share = 0.5

    @property
    def redrawn(self) -> float:
        """All but the pictures that are neither a mosaic nor changed."""
        return 1 - (1 - self.mosaic) * (1 - self.augment) ** 5

    def redraw(
        self, rows: Sequence[int], auxiliary: AuxiliarySet, generator: torch.Generator
    ) -> dict[int, Picture]:
        """Mosaics, and changes of these and of all others."""
        pictures: dict[int, Picture] = {}
        for place, row in enumerate(rows):
            if float(torch.rand((), generator=generator)) < self.mosaic:
                members = auxiliary.anomalous(auxiliary.class_names[row])
                pictures[place] = draw_mosaic(auxiliary, members, generator)
            picture = pictures.get(place) or auxiliary.picture(row)
            if (new := augmented(picture, self.augment, generator)) is not None:
                pictures[place] = new
        return pictures


def _between(low: float, high: float, generator: torch.Generator) -> float:
    return low + (high - low) * float(torch.rand((), generator=generator))


def _index(count: int, generator: torch.Generator) -> int:
    return int(torch.randint(count, (), generator=generator))


def _rotated(
    values: NDArray[np.generic], angle: float, filtering: Image.Resampling = Image.Resampling.NEAREST
) -> _Image:
    """Turned by `angle` degrees about the middle; what comes in from outside is mirrored."""
    size, turn = len(values), radians(abs(angle))
    margin = min(size - 1, ceil(size * (cos(turn) + sin(turn) - 1) / 2) + 1)
    around = [(margin, margin), (margin, margin), (0, 0)][: values.ndim]
    wide = Image.fromarray(np.pad(values.astype(np.uint8), around, mode="reflect"))
    return np.asarray(wide.rotate(angle, filtering))[margin : margin + size, margin : margin + size]


def _relit(image: _Image, generator: torch.Generator) -> _Image:
    """Contrast, then brightness: a·x + 255 b with a in 1 ± 0.2 and b in ± 0.2."""
    contrast, brightness = (_between(-_LIGHT, _LIGHT, generator) for _ in range(2))
    return _cut(image * np.float32(1 + contrast) + np.float32(255 * brightness))


def _noisy(image: _Image, generator: torch.Generator) -> _Image:
    """Normal noise for each pixel and channel."""
    deviation = _between(*_VARIANCES, generator) ** 0.5
    return _cut(image + deviation * torch.randn(image.shape, generator=generator).numpy())


def _cut(values: NDArray[np.float32]) -> _Image:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _one_of_three(image: _Image, generator: torch.Generator) -> _Image:
    kinds: tuple[Callable[[Image.Image, torch.Generator], Image.Image], ...] = (_boxed, _blurred, _coloured)
    return np.asarray(kinds[_index(3, generator)](Image.fromarray(image), generator))


def _boxed(image: Image.Image, generator: torch.Generator) -> Image.Image:  # noqa: ARG001 - nothing to draw
    return image.filter(ImageFilter.BoxBlur(1))


def _blurred(image: Image.Image, generator: torch.Generator) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(_BLURS[_index(len(_BLURS), generator)]))


def _coloured(image: Image.Image, generator: torch.Generator) -> Image.Image:
    """Brightness, contrast, saturation and hue, in an order that is drawn."""
    enhancers = (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color)
    for kind in torch.randperm(4, generator=generator).tolist():
        if kind == len(enhancers):
            image = _hued(image, _between(-_HUE, _HUE, generator))
        else:
            image = enhancers[kind](image).enhance(1 + _between(-_LIGHT, _LIGHT, generator))
    return image


def _hued(image: Image.Image, turn: float) -> Image.Image:
    hue, saturation, value = image.convert("HSV").split()
    turned = hue.point(lambda level: int(level + 256 * turn) % 256)
    return Image.merge("HSV", (turned, saturation, value)).convert("RGB")
