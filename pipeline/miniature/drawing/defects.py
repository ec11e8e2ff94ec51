"""Defects: where one lies, and what it does to the picture.

A defect is a shape (a field that ranks pixels, lowest first) and a fill. The shape's lowest pixels inside the
object, as many as the drawn share of the picture asks for, are the defect: its mask is exact by construction.
`strength` decides how opaque it is.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pipeline.miniature.drawing import fills, lesions, shapes
from pipeline.miniature.drawing.picture import Picture
from pipeline.miniature.drawing.plane import Field, Image, Mask, Size, coverage, pixel

Shape = Callable[[Mask, np.random.Generator], Field]
Fill = Callable[[Picture, Field, np.random.Generator], Field]


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
    "scratch": Defect(shapes.line, fills.contrast, (0.006, 0.02), _LINE),
    "scuff": Defect(shapes.lines, fills.contrast, (0.01, 0.03), _LINE),
    "cut": Defect(shapes.line, fills.dark, (0.008, 0.025), _LINE),
    "crack": Defect(shapes.crack, fills.dark, (0.01, 0.03), _LINE),
    "thread": Defect(shapes.curl, fills.foreign, (0.008, 0.025), _LINE),
    "print": Defect(shapes.curl, fills.dark, (0.01, 0.03), _LINE),
    "poke": Defect(shapes.spot, fills.pit, (0.006, 0.02), _PATCH, opaque=True),
    "hole": Defect(shapes.spot, fills.pit, (0.015, 0.045), _PATCH, opaque=True),
    "spots": Defect(shapes.spots, fills.foreign, (0.01, 0.04), _PATCH),
    "stain": Defect(shapes.blob, fills.tint, (0.02, 0.08), _PATCH, softness=3.0),
    "blotch": Defect(shapes.blob, fills.foreign, (0.015, 0.06), _PATCH),
    "liquid": Defect(shapes.blob, fills.gloss, (0.02, 0.08), _PATCH),
    "rust": Defect(shapes.mottle, fills.rust, (0.02, 0.08), _WIDE),
    "burn": Defect(shapes.blob, fills.burn, (0.015, 0.08), _PATCH, softness=4.0),
    "rough": Defect(shapes.blob, fills.rough, (0.02, 0.08), _PATCH),
    "missing": Defect(shapes.blob, fills.absent, (0.02, 0.07), _PATCH, opaque=True),
    "chip": Defect(shapes.edge, fills.absent, (0.01, 0.04), _PATCH, opaque=True),
    "bend": Defect(shapes.blob, fills.warp, (0.03, 0.08), _PATCH),
    "dent": Defect(shapes.spot, fills.dent, (0.015, 0.06), _PATCH),
    "swap": Defect(shapes.patch, fills.swap, (0.025, 0.08), _PATCH, opaque=True),
    "lesion": Defect(shapes.blob, lesions.mole, (0.05, 0.25), _WIDE, softness=3.0),
    "polyp": Defect(shapes.lump, lesions.polyp, (0.03, 0.15), _WIDE, softness=2.0),
    "nodule": Defect(shapes.lump, lesions.nodule, (0.03, 0.14), _WIDE, softness=2.5),
    "tumour": Defect(shapes.lump, lesions.tumour, (0.02, 0.09), _WIDE, softness=2.5),
    "bleeding": Defect(shapes.lump, lesions.bright, (0.015, 0.08), _WIDE, softness=3.0),
    "opacity": Defect(shapes.mottle, lesions.haze, (0.04, 0.15), _WIDE, softness=8.0),
}
"""Every kind of defect by its name."""


def add_defect(
    kind: str, picture: Picture, rng: np.random.Generator, *, strength: float = 1.0
) -> tuple[Image, Mask]:
    """The picture with one defect inside its region.

    Args:
        kind: a key of `DEFECTS`.
        picture: what to damage; it is not changed.
        rng: the only source of chance.
        strength: how opaque the defect is, 0 (invisible) to 1.

    Returns:
        The image (h, w, 3) and the mask (h, w), True on the pixels that the defect covers by more than half.
    """
    defect = DEFECTS[kind]
    size = picture.size
    rank = defect.shape(picture.region, rng)
    area = rng.uniform(*defect.share) * picture.region.size
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
