"""The drawing plane: array types, coordinates, noise and distance fields.

Coordinates are centred and measured in half short sides, so a shape keeps its proportions at any picture
size. Everything is computed in float64: the last bit of a sine differs between processors, and a picture
must be the same bytes on all of them once it is rounded to 8 bits. What things look like is decided by the
other modules.
"""

import itertools
import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

Size = tuple[int, int]
"""Height and width in pixels."""
Field = npt.NDArray[np.float64]
"""One number a pixel, (h, w)."""
Image = npt.NDArray[np.float32]
"""Colours in [0, 1], (h, w, 3)."""
Mask = npt.NDArray[np.bool_]
"""True where something is, (h, w)."""


def size_of(picture: npt.NDArray[Any]) -> Size:
    """Height and width of a field, a mask or an image."""
    return picture.shape[0], picture.shape[1]


def plane(size: Size) -> tuple[Field, Field]:
    """Coordinates x (right) and y (down) of the pixel centres; the short side spans [-1, 1]."""
    height, width = size
    unit = min(size) / 2
    x = (np.arange(width) + 0.5 - width / 2) / unit
    y = (np.arange(height) + 0.5 - height / 2) / unit
    return np.broadcast_to(x, size).copy(), np.broadcast_to(y[:, None], size).copy()


def pixel(size: Size) -> float:
    """The width of one pixel in plane units."""
    return 2 / min(size)


def turned(x: Field, y: Field, angle: float) -> tuple[Field, Field]:
    """Coordinates in a frame that is turned by `angle` radians."""
    cosine, sine = math.cos(angle), math.sin(angle)
    return cosine * x + sine * y, cosine * y - sine * x


@lru_cache(maxsize=512)
def _spline(length: int, cells: int) -> Field:
    """Weights (length, cells + 3) of uniform cubic B-splines at `length` pixel centres over `cells` cells."""
    position = (np.arange(length) + 0.5) * cells / length
    start = np.minimum(position.astype(int), cells - 1)
    t = position - start
    basis = ((1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3)
    weights = np.zeros((length, cells + 3))
    for offset, column in enumerate(basis):
        weights[np.arange(length), start + offset] = column / 6
    return weights


def stretched(field: Field) -> Field:
    """`field` moved and scaled to fill [0, 1]; a constant field becomes 0.5."""
    low, high = float(field.min()), float(field.max())
    return (field - low) / (high - low) if high > low else np.full_like(field, 0.5)


def streaked_noise(size: Size, cells: tuple[float, float], rng: np.random.Generator) -> Field:
    """Smooth noise in [0, 1] with `cells` (down, across) bumps over the picture."""
    down, across = (max(1, round(count)) for count in cells)
    grid = rng.random((down + 3, across + 3))
    return stretched(_spline(size[0], down) @ grid @ _spline(size[1], across).T)


def smooth_noise(size: Size, cells: float, rng: np.random.Generator) -> Field:
    """Smooth noise in [0, 1] with about `cells` bumps along the short side, as dense on the long one."""
    short = min(size)
    return streaked_noise(size, (cells * size[0] / short, cells * size[1] / short), rng)


def fractal_noise(size: Size, cells: float, rng: np.random.Generator, *, octaves: int = 3) -> Field:
    """Smooth noise in [0, 1] summed over `octaves`, each twice as fine and half as strong as the last."""
    total = sum(smooth_noise(size, cells * 2**k, rng) / 2**k for k in range(octaves))
    return stretched(np.asarray(total))


def coverage(distance: Field, size: Size, *, softness: float = 1.0) -> Field:
    """How much of each pixel lies inside (`distance` < 0), with an edge `softness` pixels wide."""
    return np.clip(0.5 - distance / (softness * pixel(size)), 0.0, 1.0)


def union(distances: Sequence[Field]) -> Field:
    """Distance to the nearest of several shapes."""
    return np.asarray(np.minimum.reduce(distances))


def disc(x: Field, y: Field, radius: float) -> Field:
    """Signed distance to a circle around the origin."""
    return np.hypot(x, y) - radius


def ellipse(x: Field, y: Field, half_width: float, half_height: float) -> Field:
    """Approximate signed distance to an ellipse: exact in shape, about right in distance near the edge."""
    return (np.hypot(x / half_width, y / half_height) - 1) * min(half_width, half_height)


def box(x: Field, y: Field, half_width: float, half_height: float, *, corner: float = 0.0) -> Field:
    """Signed distance to a box around the origin with rounded corners of radius `corner`."""
    dx, dy = np.abs(x) - half_width + corner, np.abs(y) - half_height + corner
    return np.hypot(np.maximum(dx, 0), np.maximum(dy, 0)) + np.minimum(np.maximum(dx, dy), 0) - corner


def segment(x: Field, y: Field, start: tuple[float, float], end: tuple[float, float]) -> Field:
    """Distance to the straight line from `start` to `end`, both (x, y)."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    share = ((x - start[0]) * dx + (y - start[1]) * dy) / max(dx * dx + dy * dy, 1e-12)
    share = np.clip(share, 0.0, 1.0)
    return np.hypot(x - start[0] - share * dx, y - start[1] - share * dy)


def polyline(x: Field, y: Field, points: npt.NDArray[np.float64]) -> Field:
    """Distance to the line through `points` (n, 2)."""
    distance = np.full_like(x, np.inf)
    for start, end in itertools.pairwise(points):
        piece = segment(x, y, (float(start[0]), float(start[1])), (float(end[0]), float(end[1])))
        distance = np.minimum(distance, piece)
    return distance


def polygon(x: Field, y: Field, radius: float, sides: int) -> Field:
    """Signed distance to the sides of a regular polygon with inner radius `radius`."""
    sector = 2 * math.pi / sides
    angle = np.mod(np.arctan2(y, x) + sector / 2, sector) - sector / 2
    return np.asarray(np.hypot(x, y) * np.cos(angle) - radius)


def lobed(x: Field, y: Field, radius: float, lobes: int, depth: float) -> Field:
    """Approximate signed distance to a circle whose radius swings by `depth` in `lobes` waves."""
    return np.asarray(np.hypot(x, y) - radius * (1 + depth * np.cos(lobes * np.arctan2(y, x))))
