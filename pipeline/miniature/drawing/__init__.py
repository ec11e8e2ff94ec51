"""Procedural pictures: materials, objects, organs, and defects with exact masks.

Every function draws all its chance from the generator that it is given: same generator state, same
picture. What is drawn for which data set is decided in `pipeline.miniature.datasets`, what it is called in
the captions elsewhere.
"""

from pipeline.miniature.drawing.colour import COLOURS, ramp, random_palette
from pipeline.miniature.drawing.defects import DEFECTS, add_defect
from pipeline.miniature.drawing.objects import OBJECTS, draw_object, draw_surface
from pipeline.miniature.drawing.organs import ORGANS, draw_organ
from pipeline.miniature.drawing.picture import Look, Picture, random_look
from pipeline.miniature.drawing.textures import TEXTURES, texture

__all__ = [
    "COLOURS",
    "DEFECTS",
    "OBJECTS",
    "ORGANS",
    "TEXTURES",
    "Look",
    "Picture",
    "add_defect",
    "draw_object",
    "draw_organ",
    "draw_surface",
    "ramp",
    "random_look",
    "random_palette",
    "texture",
]
