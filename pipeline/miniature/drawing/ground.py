"""What a defect has to go by: the picture below it, and its own shape.

`cover` is the coverage (h, w) of the defect in [0, 1].
"""

import math

import numpy as np
from scipy import ndimage

from pipeline.miniature.drawing.picture import Picture
from pipeline.miniature.drawing.plane import Field, plane, size_of


def pixels(picture: Picture) -> Field:
    """The colours (h, w, 3) of the picture, in double precision."""
    return picture.image.astype(np.float64)


def mean_below(picture: Picture, cover: Field) -> Field:
    """Mean colour (3,) of what the defect covers."""
    weight = cover.sum()
    return np.asarray((pixels(picture) * cover[..., None]).sum((0, 1)) / max(weight, 1e-9))


def middle(cover: Field) -> tuple[float, float]:
    """Centre of the defect in plane units, (x, y)."""
    x, y = plane(size_of(cover))
    weight = max(float(cover.sum()), 1e-9)
    return float((x * cover).sum() / weight), float((y * cover).sum() / weight)


def depth_of(cover: Field) -> Field:
    """How deep inside the defect each pixel lies: 0 at its edge, 1 at its deepest."""
    distance = np.asarray(ndimage.distance_transform_edt(cover > 0.5), dtype=np.float64)
    rounded = np.asarray(ndimage.gaussian_filter(distance, 0.25 * float(distance.max())), dtype=np.float64)
    return rounded / max(float(rounded.max()), 1e-9) * (cover > 0)


def is_grey(picture: Picture) -> bool:
    """Whether the picture has no colours (a foreign body then has none either)."""
    return bool(np.ptp(picture.image, axis=2).max() < 0.02)


def as_coloured(picture: Picture, colours: Field) -> Field:
    """`colours` (h, w, 3), without their hue where the picture has none."""
    return np.repeat(colours.mean(2, keepdims=True), 3, 2) if is_grey(picture) else colours


def lit(cover: Field, rng: np.random.Generator, depth: float) -> Field:
    """Light on one flank of the defect and shadow on the other (h, w), from 1 - `depth` to 1 + `depth`."""
    rows, columns = np.gradient(depth_of(cover))
    angle = rng.uniform(0, 2 * math.pi)
    slope = math.cos(angle) * columns + math.sin(angle) * rows
    return np.asarray(1 + depth * slope / max(float(np.abs(slope).max()), 1e-9))
