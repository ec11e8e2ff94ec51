"""Defects: where one lies, and what it does to the picture.

A defect is a shape (a field that ranks the pixels of a region, lowest first, in plane units) and a fill. The
shape's lowest pixels inside the object, as many as the drawn share of the picture asks for, are the defect:
its mask is exact by construction. `strength` decides how opaque it is.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from pipeline.miniature.drawing import fills
from pipeline.miniature.drawing.picture import Picture
from pipeline.miniature.drawing.plane import (
    Field,
    Image,
    Mask,
    Size,
    coverage,
    pixel,
    plane,
    polyline,
    size_of,
    smooth_noise,
    turned,
    union,
)

Shape = Callable[[Mask, np.random.Generator], Field]
Fill = Callable[[Picture, Field, np.random.Generator], Field]


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


@dataclass(frozen=True)
class Defect:
    """A kind of defect.

    Attributes:
        shape: ranks the pixels of a region, lowest first, in plane units.
        fill: the picture as it would look if the defect covered it all, given its coverage.
        share: smallest and largest area, as a share of the picture.
        reach: highest rank that it takes, so that it stays a line or a patch where the object is thin.
        softness: width of its edge in pixels of a picture with a short side of 100.
        opaque: True where a faint version makes no sense (a hole); its strength is always 1.
    """

    shape: Shape
    fill: Fill
    share: tuple[float, float]
    reach: float
    softness: float = 1.0
    opaque: bool = False


# Reach: half the width of a line, the radius of a patch or of a lesion.
_LINE, _PATCH, _WIDE = 0.06, 0.45, 0.8
_LEAST = 12  # pixels, whatever the reach

DEFECTS: dict[str, Defect] = {
    "scratch": Defect(line, fills.contrast, (0.006, 0.02), _LINE),
    "scuff": Defect(lines, fills.contrast, (0.01, 0.03), _LINE),
    "cut": Defect(line, fills.dark, (0.008, 0.025), _LINE),
    "crack": Defect(crack, fills.dark, (0.01, 0.03), _LINE),
    "thread": Defect(curl, fills.foreign, (0.008, 0.025), _LINE),
    "print": Defect(curl, fills.dark, (0.01, 0.03), _LINE),
    "poke": Defect(spot, fills.pit, (0.006, 0.02), _PATCH, opaque=True),
    "hole": Defect(spot, fills.pit, (0.015, 0.045), _PATCH, opaque=True),
    "spots": Defect(spots, fills.foreign, (0.01, 0.04), _PATCH),
    "stain": Defect(blob, fills.tint, (0.02, 0.08), _PATCH, softness=3.0),
    "blotch": Defect(blob, fills.foreign, (0.015, 0.06), _PATCH),
    "liquid": Defect(blob, fills.gloss, (0.02, 0.08), _PATCH),
    "rust": Defect(mottle, fills.rust, (0.02, 0.08), _WIDE),
    "burn": Defect(blob, fills.burn, (0.015, 0.08), _PATCH, softness=4.0),
    "rough": Defect(blob, fills.rough, (0.02, 0.08), _PATCH),
    "missing": Defect(blob, fills.absent, (0.02, 0.07), _PATCH, opaque=True),
    "chip": Defect(edge, fills.absent, (0.01, 0.04), _PATCH, opaque=True),
    "bend": Defect(blob, fills.warp, (0.03, 0.08), _PATCH),
    "dent": Defect(spot, fills.dent, (0.015, 0.06), _PATCH),
    "swap": Defect(patch, fills.swap, (0.025, 0.08), _PATCH, opaque=True),
    "lesion": Defect(blob, fills.mole, (0.05, 0.25), _WIDE, softness=3.0),
    "polyp": Defect(lump, fills.polyp, (0.03, 0.15), _WIDE, softness=2.0),
    "nodule": Defect(lump, fills.nodule, (0.03, 0.14), _WIDE, softness=2.5),
    "tumour": Defect(lump, fills.tumour, (0.02, 0.09), _WIDE, softness=2.5),
    "bleeding": Defect(lump, fills.bright, (0.015, 0.08), _WIDE, softness=3.0),
    "opacity": Defect(mottle, fills.haze, (0.04, 0.15), _WIDE, softness=8.0),
}
"""Every kind of defect by its name."""


def add_defect(
    kind: str, picture: Picture, rng: np.random.Generator, *, strength: float = 1.0, scale: float = 1.0
) -> tuple[Image, Mask]:
    """The picture with one defect inside its region.

    Args:
        kind: a key of `DEFECTS`.
        picture: what to damage; it is not changed.
        rng: the only source of chance.
        strength: how opaque the defect is, 0 (invisible) to 1.
        scale: how large it is, as a factor of the usual area; a dozen pixels remain.

    Returns:
        The image (h, w, 3) and the mask (h, w), True on the pixels that the defect covers by more than half.
    """
    defect = DEFECTS[kind]
    size = picture.size
    rank = defect.shape(picture.region, rng)
    area = scale * rng.uniform(*defect.share) * picture.region.size
    softness = max(1.0, defect.softness * min(size) / 100)
    level = rank - _edge(rank[picture.region], area, defect.reach)
    cover = coverage(_distance(level, size), size, softness=softness) * picture.region
    filled = np.clip(defect.fill(picture, cover, rng), 0, 1)
    share = (1.0 if defect.opaque else strength) * cover
    image = picture.image + (filled - picture.image) * share[..., None]
    return np.clip(image, 0, 1).astype(np.float32), cover > 0.5


def _distance(level: Field, size: Size) -> Field:
    """Signed distance, to first order, from the zero line of `level`, so that every edge is equally soft."""
    rows, columns = np.gradient(level, pixel(size))
    return np.asarray(level / np.maximum(np.hypot(rows, columns), 0.05))


def _edge(ranks: Field, area: float, reach: float) -> float:
    """The rank up to which pixels are taken: `area` of them within `reach`, at most a third."""
    least = min(_LEAST, ranks.size - 1)
    count = int(np.clip(area, least, max(least, ranks.size // 3)))
    ordered = np.partition(ranks, [least, count])
    return float(max(ordered[least], min(ordered[count], reach)))
