"""All families of objects by name, and a picture of one before a backdrop."""

from collections.abc import Callable

import numpy as np

from pipeline.miniature.drawing import assemblies, pieces
from pipeline.miniature.drawing.colour import finished, paint, random_palette
from pipeline.miniature.drawing.picture import Layer, Look, Picture, posed, random_look, render
from pipeline.miniature.drawing.plane import Field, Size
from pipeline.miniature.drawing.textures import TEXTURES

Painter = Callable[[Field, Field, Look], list[Layer]]

OBJECTS: dict[str, Painter] = {
    painter.__name__: painter
    for painter in (
        pieces.round_plate, pieces.ring, pieces.dome, pieces.rod, pieces.pebble, pieces.spindle,
        pieces.hex_nut, pieces.wing_nut, pieces.gear, pieces.star, assemblies.comb, assemblies.board,
        assemblies.cluster, assemblies.rods, pieces.pipe, assemblies.hooks, assemblies.pipes,
        pieces.bracket, pieces.bar, pieces.slab, assemblies.wheel, pieces.crescent, pieces.kernel,
        assemblies.bristles, assemblies.plug, assemblies.strands, pieces.leaf, pieces.handle, pieces.coil,
    )
}  # fmt: skip
"""Every family by its name."""


def draw_object(kind: str, size: Size, rng: np.random.Generator, *, look: Look | None = None) -> Picture:
    """One object before a backdrop.

    Args:
        kind: a key of `OBJECTS`.
        size: height and width in pixels.
        rng: the only source of chance.
        look: what the product looks like; a random one if absent.
    """
    chosen = random_look(rng) if look is None else look
    x, y, unit = posed(size, chosen, rng)
    return render(size, chosen, OBJECTS[kind](x, y, chosen), unit, rng)


def draw_surface(size: Size, rng: np.random.Generator, *, look: Look | None = None) -> Picture:
    """A plain piece of the look's material that fills the picture."""
    chosen = random_look(rng) if look is None else look
    field = np.clip(TEXTURES[chosen.surface](size, rng, chosen.scale), 0, 1)
    under = finished(paint(0.2 * field, random_palette(rng, colour="black")), rng)
    return Picture(finished(paint(field, chosen.palette), rng), np.ones(size, dtype=np.bool_), under)
