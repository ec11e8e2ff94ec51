"""Backgrounds of the medical pictures, each a small function from a size and a generator to a picture.

`region` is the tissue in which a lesion may lie. Patients differ, so nothing but the kind is kept between two
calls. These are schematic drawings for a benchmark of methods; they are no anatomy.
"""

import math
from collections.abc import Callable

import numpy as np

from pipeline.miniature.drawing.colour import blended, finished, paint, ramp, varied
from pipeline.miniature.drawing.picture import Picture
from pipeline.miniature.drawing.plane import (
    Field,
    Size,
    coverage,
    disc,
    ellipse,
    fractal_noise,
    plane,
    smooth_noise,
    streaked_noise,
    stretched,
    turned,
)

_GREY = np.array([[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]])


def _picture(colours: Field, region: Field, rng: np.random.Generator, *, light: float = 0.05) -> Picture:
    image = finished(colours, rng, light=light)
    return Picture(image, region > 0.5, image)


def _head(size: Size, rng: np.random.Generator) -> tuple[Field, Field, Field]:
    """Coordinates of a slightly turned head, and the signed distance to its outline."""
    x, y = plane(size)
    x, y = turned(x - rng.uniform(-0.04, 0.04), y, rng.uniform(-0.12, 0.12))
    swing = 0.03 * np.cos(3 * np.arctan2(y, x) + rng.uniform(0, 6))
    return x, y, ellipse(x, y, 0.72 * rng.uniform(0.95, 1.05), 0.88 * rng.uniform(0.95, 1.03)) + swing


def _ventricles(x: Field, y: Field, rng: np.random.Generator) -> Field:
    """Signed distance to a pair of dark horns beside the middle line."""
    lean, length = rng.uniform(0.25, 0.5), rng.uniform(0.16, 0.26)
    u, v = turned(np.abs(x) - 0.13, y + 0.05, -lean)
    return ellipse(u, v, 0.06, length)


def _folds(size: Size, rng: np.random.Generator, cells: float) -> Field:
    """A winding pattern in [0, 1], as of the cortex."""
    ridges = 1 - np.abs(2 * smooth_noise(size, cells, rng) - 1)
    return ridges**3


def brain_ct(size: Size, rng: np.random.Generator) -> Picture:
    """A head slice with a bright skull, grey tissue and dark ventricles."""
    x, y, outline = _head(size, rng)
    skull = coverage(np.abs(outline + 0.05) - 0.05, size, softness=1.5)
    inside = coverage(outline + 0.1, size)
    tissue = 0.38 + 0.1 * smooth_noise(size, 4, rng) - 0.08 * _folds(size, rng, 10)
    tissue -= 0.18 * coverage(_ventricles(x, y, rng), size, softness=2)
    tissue += 0.04 * rng.standard_normal(size)
    return _picture(paint(np.clip(0.02 + inside * tissue + 0.93 * skull, 0, 1), _GREY), inside, rng)


def brain_mri(size: Size, rng: np.random.Generator) -> Picture:
    """A head slice with a thin scalp, folded grey and white matter, and ventricles."""
    x, y, outline = _head(size, rng)
    scalp = coverage(np.abs(outline + 0.02) - 0.025, size, softness=2)
    inside = coverage(outline + 0.1, size, softness=2)
    matter = 0.42 + 0.16 * smooth_noise(size, 3, rng) - 0.28 * _folds(size, rng, rng.uniform(9, 12))
    matter -= 0.25 * coverage(_ventricles(x, y, rng), size, softness=2)
    matter -= 0.15 * coverage(np.abs(x) - 0.012, size)
    matter += 0.02 * rng.standard_normal(size)
    gain = rng.uniform(0.85, 1.15)
    return _picture(paint(np.clip(gain * (inside * matter + 0.55 * scalp) + 0.02, 0, 1), _GREY), inside, rng)


def chest(size: Size, rng: np.random.Generator) -> Picture:
    """A chest X-ray: dark lungs, ribs, spine, heart and diaphragm."""
    x, y = plane(size)
    x = x - rng.uniform(-0.05, 0.05)
    width, reach = rng.uniform(0.3, 0.36), rng.uniform(0.62, 0.72)
    lung_x, lung_y = turned(np.abs(x) - 0.45, y + 0.05, 0.12)
    lungs = np.maximum(ellipse(lung_x, lung_y, width, reach), y - 0.5 - 0.15 * np.abs(x))
    heart = ellipse(x - 0.14, y - 0.3, 0.32, 0.3 * rng.uniform(0.9, 1.1))
    air = coverage(lungs, size, softness=4) * (1 - 0.85 * coverage(heart, size, softness=5))
    ribs = (0.5 + 0.5 * np.cos(2 * math.pi * (4.6 * y + 1.3 * np.abs(x) ** 1.5 + rng.random()))) ** 3
    body = coverage(ellipse(x, y - 0.3, 1.15, 1.3), size, softness=6)
    field = 0.1 + body * (0.5 + 0.12 * smooth_noise(size, 3, rng)) - 0.42 * air
    field += 0.1 * ribs * coverage(lungs - 0.08, size, softness=4) + 0.03 * (
        smooth_noise(size, 24, rng) - 0.5
    )
    field += 0.2 * coverage(np.abs(x) - 0.07, size, softness=5)
    return _picture(paint(np.clip(field, 0, 1), _GREY), air * coverage(lungs, size), rng, light=0.08)


def skin(size: Size, rng: np.random.Generator) -> Picture:
    """Skin under a dermoscope: fine furrows, blood flush, a few hairs."""
    tone = rng.uniform(0.85, 1.05)
    palette = ramp((0.84 * tone, 0.64 * tone, 0.54 * tone), contrast=0.35)
    flush = fractal_noise(size, 3, rng)
    furrows = np.abs(2 * smooth_noise(size, 22, rng) - 1)
    colours = paint(np.clip(0.45 + 0.2 * flush + 0.14 * furrows, 0, 1), palette)
    x, y = plane(size)
    for _ in range(int(rng.integers(0, 5))):
        u, v = turned(x, y, rng.uniform(0, math.pi))
        hair = np.abs(v - rng.uniform(-0.9, 0.9) - 0.2 * u**2) - 0.008
        colours = blended(colours, np.array([0.2, 0.13, 0.1]), 0.6 * coverage(hair, size))
    return _picture(colours, coverage(disc(x, y, 0.95), size), rng, light=0.15)


def colon(size: Size, rng: np.random.Generator) -> Picture:
    """The wall of a colon through an endoscope: folds, vessels, a dark lumen, wet highlights, cut corners."""
    x, y = plane(size)
    cx, cy = rng.uniform(-0.8, 0.8, 2)
    radius = np.hypot(x - cx, y - cy)
    folds = 0.5 + 0.5 * np.cos(
        rng.uniform(5, 9) * np.sqrt(radius + 0.1) * math.pi + 3 * smooth_noise(size, 2.5, rng)
    )
    vessels = _folds(size, rng, 6) ** 3
    lumen = np.exp(-((radius / 0.28) ** 2))
    field = 0.45 + 0.22 * folds - 0.4 * lumen + 0.12 * (smooth_noise(size, 4, rng) - 0.5)
    colours = paint(np.clip(field, 0, 1), ramp(varied((0.78, 0.42, 0.32), rng), contrast=0.7))
    colours = blended(colours, np.array([0.6, 0.16, 0.14]), 0.35 * vessels)
    wet = np.clip((smooth_noise(size, 12, rng) - 0.9) * 12, 0, 1)
    colours = blended(colours, np.array([1.0, 0.97, 0.92]), 0.8 * wet)
    view = coverage(disc(np.abs(x) ** 1.6, np.abs(y) ** 1.6, 1.1), size, softness=2)
    return _picture(colours * (0.03 + 0.97 * view)[..., None], view, rng, light=0.2)


def thyroid(size: Size, rng: np.random.Generator) -> Picture:
    """An ultrasound image of the neck: speckled layers, a brighter gland, shadow with depth."""
    _, y = plane(size)
    depth = (y - y.min()) / (y.max() - y.min())
    layers = streaked_noise(size, (16, 2), rng)
    upper, lower = rng.uniform(0.2, 0.28), rng.uniform(0.72, 0.82)
    waves = 0.06 * (streaked_noise(size, (1, 3), rng) - 0.5)
    gland = 1 / (1 + np.exp(-40 * (np.minimum(depth - upper, lower - depth) + waves)))
    speckle = np.hypot(rng.standard_normal(size), rng.standard_normal(size)) / 1.6
    speckle = 0.6 * stretched(smooth_noise(size, 30, rng)) + 0.4 * speckle
    echo = 0.22 + 0.22 * layers * (1 - gland) + 0.25 * gland
    field = echo * (0.5 + 0.8 * speckle) * (1.1 - 0.5 * depth)
    tint = np.array([[0.0, 0.0, 0.0], [0.96, 0.98, 1.0]])
    return _picture(paint(np.clip(field, 0, 1), tint), gland, rng)


ORGANS: dict[str, Callable[[Size, np.random.Generator], Picture]] = {
    painter.__name__: painter for painter in (brain_ct, brain_mri, chest, skin, colon, thyroid)
}
"""Every kind of medical background by its name."""


def draw_organ(kind: str, size: Size, rng: np.random.Generator) -> Picture:
    """A healthy medical picture of `size`; `kind` is a key of `ORGANS`."""
    return ORGANS[kind](size, rng)
