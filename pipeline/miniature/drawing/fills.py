"""What damage does: each fill gives the picture as it would look if the defect covered it all.

A fill sees the coverage (h, w) of its defect, so that it can follow the shape (a rim, a highlight) and can
choose a colour that differs from what lies below. It decides nothing about place or size.
"""

import math

import numpy as np
from scipy import ndimage

from pipeline.miniature.drawing.colour import COLOURS, blended, paint, ramp
from pipeline.miniature.drawing.ground import as_coloured, depth_of, is_grey, lit, mean_below, pixels
from pipeline.miniature.drawing.picture import Picture
from pipeline.miniature.drawing.plane import Field, smooth_noise


def _foreign_colour(picture: Picture, cover: Field, rng: np.random.Generator) -> Field:
    """A named colour that stands out from what it lies on."""
    below = mean_below(picture, cover)
    names = ("white", "black") if is_grey(picture) else tuple(COLOURS)
    colours = np.array([COLOURS[name] for name in names])
    apart = np.abs(colours - below).mean(1)
    order = np.argsort(-apart, kind="stable")[: max(1, len(names) // 2)]
    return np.asarray(colours[order[int(rng.integers(len(order)))]])


def contrast(picture: Picture, cover: Field, rng: np.random.Generator) -> Field:
    """Lighter on dark ground, darker on light ground."""
    away = 0.95 if mean_below(picture, cover).mean() < 0.5 else 0.08
    return pixels(picture) * 0.25 + away * 0.75 + 0.05 * rng.standard_normal(picture.size)[..., None]


def dark(picture: Picture, cover: Field, rng: np.random.Generator) -> Field:
    """Nearly black; nearly white where the ground is black already."""
    away = 0.03 if mean_below(picture, cover).mean() > 0.22 else 0.85
    return np.full((*picture.size, 3), away) + 0.03 * rng.standard_normal(picture.size)[..., None]


def foreign(picture: Picture, cover: Field, rng: np.random.Generator) -> Field:
    """Something of another colour and a fine grain."""
    colour = _foreign_colour(picture, cover, rng)
    red, green, blue = (float(value) for value in colour)
    return paint(smooth_noise(picture.size, 20, rng), ramp((red, green, blue), contrast=0.3))


def tint(picture: Picture, cover: Field, rng: np.random.Generator) -> Field:
    """The material shows through a film of another colour."""
    return pixels(picture) * 0.4 + 0.6 * _foreign_colour(picture, cover, rng)


def gloss(picture: Picture, cover: Field, rng: np.random.Generator) -> Field:
    """A clear drop: the ground blurred and darker, a bright spot on it."""
    blurred = np.stack([ndimage.gaussian_filter(pixels(picture)[..., k], 2.0) for k in range(3)], axis=-1)
    depth = depth_of(cover)
    shine = np.clip((smooth_noise(picture.size, 9, rng) - 0.6) * 4, 0, 1) * (depth > 0.3)
    away = 0.55 if mean_below(picture, cover).mean() > 0.35 else 1.7
    return blended(blurred * away, np.array([1.0, 1.0, 0.97]), 0.9 * shine)


def rust(picture: Picture, _cover: Field, rng: np.random.Generator) -> Field:
    """Red-brown and flaky."""
    flakes = smooth_noise(picture.size, 18, rng)
    colours = paint(flakes, np.array([[0.22, 0.09, 0.04], [0.55, 0.25, 0.1], [0.78, 0.42, 0.16]]))
    return as_coloured(picture, colours)


def burn(picture: Picture, cover: Field, rng: np.random.Generator) -> Field:
    """Charred, the more the deeper; on black ground what shows is the ash."""
    colour = (0.12, 0.08, 0.06) if mean_below(picture, cover).mean() > 0.25 else (0.66, 0.63, 0.6)
    char = paint(smooth_noise(picture.size, 10, rng), ramp(colour, contrast=0.5))
    return blended(pixels(picture) * 0.6, as_coloured(picture, char), 0.4 + 0.6 * depth_of(cover))


def rough(picture: Picture, cover: Field, rng: np.random.Generator) -> Field:
    """The surface broken up into coarse grain."""
    size = picture.size
    grain = 1.1 * (smooth_noise(size, 24, rng) - 0.5) + 0.5 * (rng.random(size) - 0.5)
    ground = mean_below(picture, cover)
    shift = 0.18 if ground.mean() < 0.45 else -0.18
    return ground + shift + grain[..., None]


def pit(picture: Picture, cover: Field, rng: np.random.Generator) -> Field:
    """A hole: black inside, a bright worn rim."""
    rim = 1 - np.clip(depth_of(cover) * 4, 0, 1)
    worn = np.clip(mean_below(picture, cover) * 1.5 + 0.1, 0, 1)
    return blended(dark(picture, cover, rng), worn, 0.7 * rim)


def absent(picture: Picture, cover: Field, rng: np.random.Generator) -> Field:
    """The backdrop, in the shadow of what is left."""
    shade = 0.7 + 0.3 * depth_of(cover)
    backdrop = picture.backdrop.astype(np.float64) * shade[..., None]
    close = np.abs(backdrop - pixels(picture)).mean(2)[cover > 0.5]
    return backdrop if close.size and close.mean() > 0.12 else dark(picture, cover, rng)


def dent(picture: Picture, cover: Field, rng: np.random.Generator) -> Field:
    """Pressed in: one flank lit, the other in shadow."""
    return pixels(picture) * (lit(cover, rng, 0.8) - 0.2 * depth_of(cover))[..., None]


def warp(picture: Picture, cover: Field, rng: np.random.Generator) -> Field:
    """The picture drawn aside, with a crease."""
    size = picture.size
    pull = 0.16 * min(size) * depth_of(cover)
    angle = rng.uniform(0, 2 * math.pi)
    rows, columns = np.indices(size)
    where = (rows + pull * math.sin(angle), columns + pull * math.cos(angle))
    moved = [
        ndimage.map_coordinates(pixels(picture)[..., k], where, order=1, mode="reflect") for k in range(3)
    ]
    return np.stack(moved, axis=-1) * lit(cover, rng, 0.5)[..., None]


def swap(picture: Picture, cover: Field, rng: np.random.Generator) -> Field:
    """A piece of the same picture that does not belong there: turned over, and shaded by another light."""
    size = picture.size
    shift = (int(rng.integers(size[0] // 4, size[0] // 2)), int(rng.integers(size[1] // 4, size[1] // 2)))
    other = np.roll(pixels(picture)[::-1, ::-1], shift, (0, 1))
    gain = 1.45 if mean_below(picture, cover).mean() < 0.4 else 0.6
    return (other * gain + (0.08 if gain > 1 else 0.0)) * lit(cover, rng, 0.15)[..., None]
