"""Families of objects of one piece, each a small function from its own coordinates and a look to layers.

The families are shapes, not products: what the benchmark calls a bottle is a `dome` seen from above, its
screw is a `spindle`. Proportions come from `look.slender` and `look.count`.
"""

import math

import numpy as np

from pipeline.miniature.drawing.picture import Layer, Look
from pipeline.miniature.drawing.plane import Field, box, disc, ellipse, lobed, polygon, polyline, union


def round_plate(x: Field, y: Field, look: Look) -> list[Layer]:
    """A flat disc with a rim."""
    rim = 0.06 + 0.14 * look.slender
    return [Layer(disc(x, y, 1), 0.6, 0.08), Layer(disc(x, y, 1 - rim), 0.45, 0.05)]


def ring(x: Field, y: Field, look: Look) -> list[Layer]:
    """A ring around an open middle."""
    middle = 0.35 + 0.35 * look.slender
    radius = np.hypot(x, y)
    return [Layer(np.abs(radius - (1 + middle) / 2) - (1 - middle) / 2, 0.55, 0.2)]


def dome(x: Field, y: Field, look: Look) -> list[Layer]:
    """A vessel seen from above: rings inside rings around a dark mouth."""
    steps = np.linspace(1.0, 0.35 + 0.2 * look.slender, 4)
    tones = (0.35, 0.75, 0.5, 0.05)
    return [Layer(disc(x, y, float(radius)), tone, 0.1) for radius, tone in zip(steps, tones, strict=True)]


def rod(x: Field, y: Field, look: Look) -> list[Layer]:
    """A rounded rod of two tones, lying across."""
    half = 0.28 + 0.2 * (1 - look.slender)
    body = box(x, y, 1, half, corner=half)
    return [Layer(body, 0.7, half), Layer(np.maximum(body, 0.02 - x), 0.3, half)]


def pebble(x: Field, y: Field, look: Look) -> list[Layer]:
    """An oval with a line of print on it."""
    body = ellipse(x, y, 1, 0.5 + 0.35 * (1 - look.slender))
    print_marks = np.maximum(box(x, y, 0.35, 0.07), 0.03 * np.cos(x * 40))
    return [Layer(body, 0.65, 0.35), Layer(print_marks, 0.15, solid=False)]


def spindle(x: Field, y: Field, look: Look) -> list[Layer]:
    """A threaded shaft with a head and a point."""
    half = 0.1 + 0.08 * (1 - look.slender)
    thread = half + 0.025 * np.cos(2 * math.pi * x * (7 + look.count))
    taper = np.clip((1 - x) / 0.35, 0.0, 1.0)
    shaft = np.maximum(np.abs(y) - thread * taper, np.abs(x) - 1)
    head = box(x + 0.82, y, 0.18, 0.2 + half, corner=0.06)
    return [Layer(shaft, 0.5, 0.12), Layer(head, 0.65, 0.12)]


def hex_nut(x: Field, y: Field, look: Look) -> list[Layer]:
    """A nut with flat sides around a hole."""
    sides = 4 + look.count % 4
    body = np.maximum(polygon(x, y, 0.88, sides), (0.3 + 0.2 * look.slender) - np.hypot(x, y))
    return [Layer(body, 0.6, 0.12)]


def wing_nut(x: Field, y: Field, look: Look) -> list[Layer]:
    """A nut with bent wings around a hole."""
    wings = lobed(x, y, 0.8, 4, 0.22 - 0.08 * look.slender)
    bore = 0.3 - np.hypot(x, y)
    collar = np.abs(np.hypot(x, y) - 0.42) - 0.06
    return [Layer(np.maximum(wings, bore), 0.55, 0.18), Layer(collar, 0.75, 0.08)]


def gear(x: Field, y: Field, look: Look) -> list[Layer]:
    """A wheel with teeth and a bore."""
    teeth = np.tanh(4 * np.cos((8 + look.count) * np.arctan2(y, x)))
    body = np.hypot(x, y) - 0.88 - 0.1 * teeth
    return [
        Layer(np.maximum(body, 0.2 - np.hypot(x, y)), 0.55, 0.08),
        Layer(np.abs(np.hypot(x, y) - 0.5) - 0.05, 0.3, 0.05),
    ]


def star(x: Field, y: Field, look: Look) -> list[Layer]:
    """A star with rounded points."""
    points = 4 + look.count % 5
    return [Layer(lobed(x, y, 0.75, points, 0.22), 0.6, 0.2)]


def pipe(x: Field, y: Field, look: Look) -> list[Layer]:
    """A bent tube: three quarters of a ring with open ends."""
    thickness = 0.16 + 0.12 * (1 - look.slender)
    bend = np.abs(np.hypot(x, y) - 0.8) - thickness
    body = np.maximum(bend, np.minimum(x, y) - 0.05)
    return [
        Layer(body, 0.6, thickness),
        Layer(np.maximum(np.abs(bend + thickness) - 0.05, body), 0.8, solid=False),
    ]


def bracket(x: Field, y: Field, look: Look) -> list[Layer]:
    """An angle of sheet metal with drilled holes."""
    leg = 0.2 + 0.12 * (1 - look.slender)
    outline = np.minimum(box(x, y - 0.7, 1, leg, corner=0.05), box(x + 0.7, y, leg, 0.95, corner=0.05))
    holes = union([disc(x - px, y - 0.7, 0.09) for px in (-0.2, 0.3, 0.75)] + [disc(x + 0.7, y + 0.6, 0.09)])
    return [Layer(np.maximum(outline, -holes), 0.55, 0.06)]


def bar(x: Field, y: Field, look: Look) -> list[Layer]:
    """A long flat strip with slots."""
    half = 0.22 + 0.15 * (1 - look.slender)
    slots = union([box(x - px, y, 0.13, 0.05, corner=0.05) for px in (-0.65, 0.0, 0.65)])
    return [Layer(np.maximum(box(x, y, 1, half, corner=0.08), -slots), 0.55, 0.07)]


def slab(x: Field, y: Field, look: Look) -> list[Layer]:
    """A rounded block, its surface plainly seen."""
    return [Layer(box(x, y, 1, 0.5 + 0.4 * (1 - look.slender), corner=0.12), 0.6, 0.1)]


def crescent(x: Field, y: Field, look: Look) -> list[Layer]:
    """A plump sickle."""
    bite = disc(x, y + 0.75, 0.65 + 0.15 * look.slender)
    return [Layer(np.maximum(ellipse(x, y, 1, 0.72), -bite), 0.6, 0.35)]


def kernel(x: Field, y: Field, look: Look) -> list[Layer]:
    """A round kernel with a pale cap."""
    body = ellipse(x, y, 0.92, 1)
    cap = np.maximum(body, 0.55 + 0.12 * np.cos(7 * x) - y)
    return [Layer(body, 0.4 + 0.1 * look.slender, 0.5), Layer(cap, 0.9, 0.3)]


def leaf(x: Field, y: Field, look: Look) -> list[Layer]:
    """A pointed leaf with veins."""
    width = 0.35 + 0.2 * (1 - look.slender)
    reach = np.sqrt((1 + width**2) ** 2 / (4 * width**2))
    shift = reach - width
    blade = np.maximum(np.hypot(x, y - shift), np.hypot(x, y + shift)) - reach
    rib = np.minimum(np.abs(y), np.abs((np.abs(y) - x * 0.8) * 5 % 1 - 0.5) / 8) - 0.015
    return [Layer(blade, 0.5, 0.1), Layer(np.maximum(rib, blade + 0.04), 0.8, solid=False)]


def handle(x: Field, y: Field, look: Look) -> list[Layer]:
    """A key: a bow, a shaft and a notched bit."""
    bow = np.abs(np.hypot(x + 0.6, y) - 0.3) - 0.1
    shaft = box(x - 0.3, y, 0.65, 0.08)
    notches = 0.12 + 0.08 * np.cos(x * 6 * (2 + look.count / 3))
    bit = np.maximum(np.maximum(-y, y - notches - 0.1), np.abs(x - 0.72) - 0.22)
    return [Layer(union([bow, shaft, bit]), 0.6, 0.08)]


def coil(x: Field, y: Field, look: Look) -> list[Layer]:
    """A wire wound to and fro."""
    turns = 3 + look.count // 2
    steps = np.arange(2 * turns + 1)
    points = np.stack([np.where(steps % 2 == 0, -0.55, 0.55), steps / turns - 1], axis=1)
    return [Layer(polyline(x, y, points) - 0.07 - 0.04 * (1 - look.slender), 0.6, 0.1)]
