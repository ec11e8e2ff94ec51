"""Colours: names, palettes, and how a field becomes an image.

A palette is a short ramp (n, 3) from dark to light; a field in [0, 1] is painted by walking along it.
Light and sensor noise are added here as well, since every picture of a set has its own.
"""

import math

import numpy as np
import numpy.typing as npt

from pipeline.miniature.drawing.plane import Field, Image, plane, size_of

Palette = npt.NDArray[np.float64]
"""Colours (n, 3) in [0, 1] from dark to light."""

COLOURS: dict[str, tuple[float, float, float]] = {
    "white": (0.88, 0.88, 0.86),
    "grey": (0.52, 0.52, 0.54),
    "black": (0.12, 0.12, 0.13),
    "red": (0.72, 0.17, 0.15),
    "orange": (0.86, 0.48, 0.15),
    "yellow": (0.88, 0.76, 0.26),
    "green": (0.20, 0.52, 0.26),
    "blue": (0.18, 0.34, 0.66),
    "purple": (0.45, 0.25, 0.55),
    "pink": (0.86, 0.55, 0.60),
    "brown": (0.46, 0.30, 0.18),
    "beige": (0.80, 0.71, 0.56),
}
"""Named base colours; captions may use the names."""


def ramp(base: tuple[float, float, float], *, contrast: float = 0.5) -> Palette:
    """A palette of three: `base` darkened by `contrast`, `base`, and `base` lightened by half as much."""
    middle = np.asarray(base, dtype=np.float64)
    return np.stack([middle * (1 - contrast), middle, middle + (1 - middle) * contrast / 2])


def varied(base: tuple[float, float, float], rng: np.random.Generator) -> tuple[float, float, float]:
    """`base` with a small change of tint, still the same colour by name."""
    tint = rng.uniform(0.9, 1.1) * rng.uniform(0.95, 1.05, 3)
    red, green, blue = np.clip(np.asarray(base) * tint, 0.02, 0.98)
    return float(red), float(green), float(blue)


def random_palette(rng: np.random.Generator, *, colour: str | None = None) -> Palette:
    """A ramp of the named colour, or of any of `COLOURS`, with varied tint and contrast."""
    names = list(COLOURS)
    name = colour if colour is not None else names[int(rng.integers(len(names)))]
    return ramp(varied(COLOURS[name], rng), contrast=rng.uniform(0.35, 0.6))


def paint(field: Field, palette: Palette) -> Field:
    """Colours (h, w, 3) of a field in [0, 1] along `palette`."""
    stops = np.linspace(0.0, 1.0, len(palette))
    return np.stack([np.interp(field, stops, palette[:, channel]) for channel in range(3)], axis=-1)


def blended(image: Field, colour: Field, share: Field) -> Field:
    """`image` with `colour` (a pixel's or one for all) laid over it by `share` (h, w)."""
    return image + (colour - image) * share[..., None]


def finished(image: Field, rng: np.random.Generator, *, light: float = 0.12, noise: float = 0.012) -> Image:
    """The picture as a camera gives it: a gradient of `light` from a random side, and sensor noise."""
    x, y = plane(size_of(image))
    angle = rng.uniform(0, 2 * math.pi)
    gain = 1 + light * (0.6 * (math.cos(angle) * x + math.sin(angle) * y) + rng.uniform(-0.5, 0.5))
    grain = noise * rng.standard_normal(image.shape[:2])
    return np.clip(image * gain[..., None] + grain[..., None], 0.0, 1.0).astype(np.float32)
