"""Where a defect lies: fields that rank the pixels of a region, lowest first, in plane units.

A shape knows neither its size nor its looks; the caller takes as many of the lowest pixels as it wants.
"""

import math

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from pipeline.miniature.drawing.plane import (
    Field,
    Mask,
    plane,
    polyline,
    size_of,
    smooth_noise,
    turned,
    union,
)


def _somewhere(region: Mask, rng: np.random.Generator, *, depth: float = 0.2) -> tuple[float, float]:
    """A point of the region; `depth` keeps it off the border, 0 (anywhere) to 1 (at its deepest)."""
    x, y = plane(size_of(region))
    inside = np.asarray(ndimage.distance_transform_cdt(np.pad(region, 1), "taxicab"))[1:-1, 1:-1]
    rows, columns = np.nonzero(inside >= max(1.0, depth * float(inside.max())))
    index = int(rng.integers(len(rows)))
    return float(x[rows[index], columns[index]]), float(y[rows[index], columns[index]])


def _around(
    region: Mask, rng: np.random.Generator, *, oval: float, depth: float = 0.2
) -> tuple[Field, Field]:
    """Coordinates around a random point, turned at random and stretched by up to `oval`."""
    cx, cy = _somewhere(region, rng, depth=depth)
    x, y = plane(size_of(region))
    u, v = turned(x - cx, y - cy, rng.uniform(0, math.pi))
    return u, v * rng.uniform(1, 1 + oval)


def spot(region: Mask, rng: np.random.Generator) -> Field:
    """A round spot."""
    return np.hypot(*_around(region, rng, oval=0.4))


def lump(region: Mask, rng: np.random.Generator) -> Field:
    """An oval with a gently uneven outline."""
    u, v = _around(region, rng, oval=0.7, depth=0.5)
    angle = np.arctan2(v, u)
    swing = 0.08 * np.cos(2 * angle + rng.uniform(0, 6)) + 0.05 * np.cos(3 * angle + rng.uniform(0, 6))
    return np.hypot(u, v) * (1 + swing)


def blob(region: Mask, rng: np.random.Generator) -> Field:
    """A patch with an irregular outline."""
    u, v = _around(region, rng, oval=0.8)
    return np.hypot(u, v) + 0.3 * (smooth_noise(size_of(region), 7, rng) - 0.5)


def mottle(region: Mask, rng: np.random.Generator) -> Field:
    """Several irregular patches near each other."""
    u, v = _around(region, rng, oval=0.5)
    return 0.4 * np.hypot(u, v) + smooth_noise(size_of(region), 6, rng)


def patch(region: Mask, rng: np.random.Generator) -> Field:
    """A rectangle."""
    u, v = _around(region, rng, oval=0.6)
    return np.maximum(np.abs(u), np.abs(v))


def edge(region: Mask, rng: np.random.Generator) -> Field:
    """A bite at the region's outline; where there is none, at the rim of the picture's middle."""
    outline = region & ~np.asarray(ndimage.binary_erosion(region, border_value=1), dtype=np.bool_)
    return blob(outline if outline.any() else region, rng)


def spots(region: Mask, rng: np.random.Generator) -> Field:
    """A few separate spots."""
    return union([spot(region, rng) for _ in range(int(rng.integers(2, 6)))])


def _walk(
    start: tuple[float, float], angle: float, turns: npt.NDArray[np.float64], step: float
) -> npt.NDArray[np.float64]:
    """Points (n + 1, 2) of a path that changes its direction by `turns` (n,) radians a step."""
    angles = angle + np.cumsum(turns)
    moves = step * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return np.cumsum(np.concatenate([np.array([start]), moves]), axis=0)


def _path(region: Mask, rng: np.random.Generator, *, bend: float, steps: int, length: float) -> Field:
    """Distance to a random path of `length` plane units around a point of the region."""
    start = _somewhere(region, rng)
    angle = rng.uniform(0, 2 * math.pi)
    half = rng.uniform(-bend, bend, (2, steps))
    x, y = plane(size_of(region))
    forth = _walk(start, angle, half[0], length / (2 * steps))
    back = _walk(start, angle + math.pi, half[1], length / (2 * steps))
    return polyline(x, y, np.concatenate([back[::-1], forth[1:]]))


def line(region: Mask, rng: np.random.Generator) -> Field:
    """A long, nearly straight line."""
    return _path(region, rng, bend=0.12, steps=3, length=rng.uniform(0.5, 1.1))


def lines(region: Mask, rng: np.random.Generator) -> Field:
    """Two to four lines."""
    return union([line(region, rng) for _ in range(int(rng.integers(2, 5)))])


def crack(region: Mask, rng: np.random.Generator) -> Field:
    """A jagged line."""
    return _path(region, rng, bend=0.9, steps=5, length=rng.uniform(0.7, 1.3))


def curl(region: Mask, rng: np.random.Generator) -> Field:
    """A line that winds."""
    return _path(region, rng, bend=0.7, steps=7, length=rng.uniform(0.6, 1.2))
