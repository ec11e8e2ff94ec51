"""What a pair of twins shows: a thing, its colour, and the kind of defect that one of them will have."""

from dataclasses import dataclass

import numpy as np

from pipeline.miniature.drawing import (
    COLOURS,
    DEFECTS,
    OBJECTS,
    ORGANS,
    TEXTURES,
    Picture,
    draw_object,
    draw_organ,
    random_look,
    random_palette,
    texture,
)
from pipeline.miniature.pretraining.captions import choice

_FAMILIES = {"object": 0.45, "texture": 0.25, "organ": 0.3}
_MONOCHROME = 0.25  # of the objects and textures are seen by a camera without colour
_ORGAN_DEFECTS = {
    "brain_ct": ("tumour", "bleeding"),
    "brain_mri": ("tumour", "lesion"),
    "chest": ("opacity", "nodule"),
    "skin": ("lesion", "blotch", "stain"),
    "colon": ("polyp", "bleeding", "lesion"),
    "thyroid": ("nodule", "tumour"),
}
_GREY_ORGANS = ("brain_ct", "brain_mri", "chest", "thyroid")
_OTHER_DEFECTS = tuple(
    name for name in DEFECTS if name not in ("lesion", "polyp", "nodule", "tumour", "bleeding", "opacity")
)


@dataclass(frozen=True)
class Scene:
    """A whole drawing, and what may happen to it.

    Attributes:
        kind: a key of the drawing's objects, textures or organs.
        colour: name of its colour, empty where it has none of its own.
        picture: the drawing.
        defect: the kind of defect that its twin will have.
        grey: whether the camera sees no colour.
    """

    kind: str
    colour: str
    picture: Picture
    defect: str
    grey: bool


def draw_scene(canvas: int, rng: np.random.Generator) -> Scene:
    """Any thing on a square of `canvas` pixels; `rng` decides all of it."""
    family = list(_FAMILIES)[int(rng.choice(len(_FAMILIES), p=list(_FAMILIES.values())))]
    size = (canvas, canvas)
    if family == "organ":
        kind = choice(tuple(ORGANS), rng)
        defect = choice(_ORGAN_DEFECTS[kind], rng)
        return Scene(kind, "", draw_organ(kind, size, rng), defect, kind in _GREY_ORGANS)
    grey = bool(rng.random() < _MONOCHROME)
    colour = choice(tuple(COLOURS), rng)
    kind = choice(tuple(OBJECTS if family == "object" else TEXTURES), rng)
    if family == "object":
        picture = draw_object(kind, size, rng, look=random_look(rng, colour=colour))
    else:
        picture = _textured(kind, size, colour, rng)
    return Scene(kind, "" if grey else colour, picture, choice(_OTHER_DEFECTS, rng), grey)


def _textured(kind: str, size: tuple[int, int], colour: str, rng: np.random.Generator) -> Picture:
    palette = random_palette(rng, colour=colour)
    image = texture(kind, size, rng, palette=palette, scale=float(rng.uniform(0.6, 1.8)))
    return Picture(image, np.ones(size, dtype=np.bool_), texture("smooth", size, rng))
