"""All families of objects by name, and a picture of one before a backdrop.

Those of several parts are here, drawn as those in `pieces` are.
"""

import math
from collections.abc import Callable

import numpy as np

from pipeline.miniature.drawing import pieces
from pipeline.miniature.drawing.colour import finished, paint, random_palette
from pipeline.miniature.drawing.picture import Layer, Look, Picture, posed, random_look, render
from pipeline.miniature.drawing.plane import Field, Size, box, disc, segment, turned, union
from pipeline.miniature.drawing.textures import TEXTURES


def _angles(count: int) -> list[float]:
    return [2 * math.pi * k / count for k in range(count)]


def _places(count: int) -> list[tuple[float, float]]:
    """Centres of `count` items in rows inside [-1, 1]."""
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    step = 2 / columns
    return [
        ((k % columns + 0.5) * step - 1, (k // columns + 0.5) * step - rows * step / 2) for k in range(count)
    ]


def comb(x: Field, y: Field, look: Look) -> list[Layer]:
    """Two rows of interlocking teeth on a band that runs from top to bottom."""
    band = box(x, y, 0.55, 1.6)
    rows = y * (5 + look.count / 2)
    left = box(x + 0.09, (rows % 1 - 0.5) / 6, 0.16, 0.05, corner=0.02)
    right = box(x - 0.09, ((rows + 0.5) % 1 - 0.5) / 6, 0.16, 0.05, corner=0.02)
    return [Layer(band, 0.35, 0.02), Layer(left, 0.8, 0.03), Layer(right, 0.7, 0.03)]


def board(x: Field, y: Field, look: Look) -> list[Layer]:
    """A flat board with traces, chips and round pads."""
    half = 0.6 + 0.35 * (1 - look.slender)
    base = box(x, y, 1, half, corner=0.04)
    traces = np.maximum(np.abs((x * 6 + np.floor(y * 3)) % 1 - 0.5) / 6 - 0.02, box(x, y, 0.9, half - 0.1))
    chips = [
        box(x - 0.55 * math.cos(a), y - 0.55 * half * math.sin(a), 0.2, 0.13)
        for a in _angles(2 + look.count % 4)
    ]
    pads = np.hypot(np.abs(x) - 0.86, np.abs(y) - half + 0.13) - 0.07
    return [
        Layer(base, 0.45, 0.03),
        Layer(traces, 0.62, solid=False),
        Layer(union(chips), 0.08, 0.04),
        Layer(pads, 0.95, 0.04),
    ]


def cluster(x: Field, y: Field, look: Look) -> list[Layer]:
    """Several equal round items."""
    places = _places(look.count)
    radius = 0.8 / math.ceil(math.sqrt(look.count))
    items = union([disc(x - px, y - py, radius) for px, py in places])
    spots = union([disc(x - px, y - py, radius * 0.18) for px, py in places])
    return [Layer(items, 0.6, radius * 0.5), Layer(spots, 0.15, solid=False)]


def rods(x: Field, y: Field, look: Look) -> list[Layer]:
    """Several rounded rods, each turned its own way."""
    places = _places(look.count)
    length = 0.75 / math.ceil(math.sqrt(look.count))
    items = []
    for k, (px, py) in enumerate(places):
        u, v = turned(x - px, y - py, 2.4 * k)
        items.append(box(u, v, length, length * 0.5, corner=length * 0.48))
    return [Layer(union(items), 0.6, length * 0.4)]


def hooks(x: Field, y: Field, look: Look) -> list[Layer]:
    """Several small bent tubes."""
    places = _places(max(3, look.count // 2))
    reach = 0.75 / math.ceil(math.sqrt(max(3, look.count // 2)))
    items = []
    for k, (px, py) in enumerate(places):
        u, v = turned(x - px, y - py, 1.9 * k + look.slender)
        arc = np.abs(np.hypot(u, v) - reach * 0.75) - reach * 0.3
        items.append(np.maximum(arc, -v - reach * 0.15))
    return [Layer(union(items), 0.6, reach * 0.3)]


def pipes(x: Field, y: Field, look: Look) -> list[Layer]:
    """Straight tubes side by side."""
    count = 3 + look.count % 4
    half = 0.8 / count
    tubes = [box(x - (2 * k + 1 - count) / count, y, half, 0.95, corner=0.05) for k in range(count)]
    return [Layer(union(tubes), 0.6, half)]


def wheel(x: Field, y: Field, look: Look) -> list[Layer]:
    """A rim with spokes and a hub."""
    radius = np.hypot(x, y)
    rim = np.abs(radius - 0.88) - 0.12
    spokes = union(
        [segment(x, y, (0, 0), (math.cos(a), math.sin(a))) - 0.07 for a in _angles(3 + look.count % 4)]
    )
    return [
        Layer(np.minimum(rim, np.maximum(spokes, radius - 0.9)), 0.6, 0.08),
        Layer(disc(x, y, 0.26), 0.7, 0.1),
    ]


def bristles(x: Field, y: Field, look: Look) -> list[Layer]:
    """Bundles of bristles in rows on a rounded head."""
    head = box(x, y, 0.62, 1, corner=0.5)
    pitch = 3.2 + 0.2 * look.count
    u, v = (x * pitch) % 1 - 0.5, (y * pitch) % 1 - 0.5
    bundles = np.maximum((np.hypot(u, v) - 0.38) / pitch, head + 0.08)
    return [Layer(head, 0.3, 0.1), Layer(bundles, 0.85, 0.08)]


def plug(x: Field, y: Field, look: Look) -> list[Layer]:
    """A block with legs that stand in a strip."""
    count = 3 + look.count % 2
    legs = union([box(x - (k - (count - 1) / 2) * 0.42, y - 0.55, 0.07, 0.45) for k in range(count)])
    body = box(x, y + 0.35, 0.75, 0.5, corner=0.05)
    return [Layer(legs, 0.9, 0.05), Layer(body, 0.15, 0.08), Layer(disc(x, y + 0.35, 0.16), 0.35, 0.05)]


def strands(x: Field, y: Field, look: Look) -> list[Layer]:
    """The cut end of a cable: a jacket around cores of wires."""
    count = 3 + look.count % 2
    cores = [(0.45 * math.cos(a), 0.45 * math.sin(a)) for a in _angles(count)]
    insulation = union([disc(x - px, y - py, 0.36) for px, py in cores])
    copper = union([disc(x - px, y - py, 0.23) for px, py in cores])
    wires = np.maximum(np.hypot((x * 14) % 1 - 0.5, (y * 14) % 1 - 0.5) / 14 - 0.025, copper)
    return [
        Layer(disc(x, y, 1), 0.25, 0.1),
        Layer(insulation, 0.6, 0.1),
        Layer(copper, 0.2),
        Layer(wires, 1.0, 0.02),
    ]


Painter = Callable[[Field, Field, Look], list[Layer]]

OBJECTS: dict[str, Painter] = {
    painter.__name__: painter
    for painter in (
        pieces.round_plate, pieces.ring, pieces.dome, pieces.rod, pieces.pebble, pieces.spindle,
        pieces.hex_nut, pieces.wing_nut, pieces.gear, pieces.star, comb, board,
        cluster, rods, pieces.pipe, hooks, pipes,
        pieces.bracket, pieces.bar, pieces.slab, wheel, pieces.crescent, pieces.kernel,
        bristles, plug, strands, pieces.leaf, pieces.handle, pieces.coil,
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
