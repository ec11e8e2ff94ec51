"""What damage and lesions do: each fill gives the picture as it would look if the defect covered it all.

A fill sees the coverage (h, w) in [0, 1] of its defect, so that it can follow the shape (a rim, a highlight)
and can choose a colour that differs from what lies below. It decides nothing about place or size.
"""

import math

import numpy as np
from scipy import ndimage

from pipeline.miniature.drawing.colour import COLOURS, blended, paint, ramp
from pipeline.miniature.drawing.picture import Picture
from pipeline.miniature.drawing.plane import Field, plane, size_of, smooth_noise


def pixels(picture: Picture) -> Field:
    """The colours (h, w, 3) of the picture, in double precision."""
    return picture.image.astype(np.float64)


def mean_below(picture: Picture, cover: Field) -> Field:
    """Mean colour (3,) of what the defect covers."""
    weight = cover.sum()
    return np.asarray((pixels(picture) * cover[..., None]).sum((0, 1)) / max(weight, 1e-9))


def middle(cover: Field) -> tuple[float, float]:
    """Centre of the defect in plane units, (x, y)."""
    x, y = plane(size_of(cover))
    weight = max(float(cover.sum()), 1e-9)
    return float((x * cover).sum() / weight), float((y * cover).sum() / weight)


def depth_of(cover: Field) -> Field:
    """How deep inside the defect each pixel lies: 0 at its edge, 1 at its deepest."""
    distance = np.asarray(ndimage.distance_transform_edt(cover > 0.5), dtype=np.float64)
    rounded = np.asarray(ndimage.gaussian_filter(distance, 0.25 * float(distance.max())), dtype=np.float64)
    return rounded / max(float(rounded.max()), 1e-9) * (cover > 0)


def is_grey(picture: Picture) -> bool:
    """Whether the picture has no colours (a foreign body then has none either)."""
    return bool(np.ptp(picture.image, axis=2).max() < 0.02)


def as_coloured(picture: Picture, colours: Field) -> Field:
    """`colours` (h, w, 3), without their hue where the picture has none."""
    return np.repeat(colours.mean(2, keepdims=True), 3, 2) if is_grey(picture) else colours


def lit(cover: Field, rng: np.random.Generator, depth: float) -> Field:
    """Light on one flank of the defect and shadow on the other (h, w), from 1 - `depth` to 1 + `depth`."""
    rows, columns = np.gradient(depth_of(cover))
    angle = rng.uniform(0, 2 * math.pi)
    slope = math.cos(angle) * columns + math.sin(angle) * rows
    return np.asarray(1 + depth * slope / max(float(np.abs(slope).max()), 1e-9))


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


def mole(picture: Picture, cover: Field, rng: np.random.Generator) -> Field:
    """Pigmented skin, mottled from light to dark brown."""
    pigment = np.clip(0.55 * smooth_noise(picture.size, 5, rng) + 0.5 * (1 - depth_of(cover)), 0, 1)
    brown = paint(pigment, np.array([[0.16, 0.09, 0.07], [0.4, 0.22, 0.15], [0.62, 0.42, 0.32]]))
    return np.asarray(brown + 0.25 * (pixels(picture) - pixels(picture).mean((0, 1))))


def polyp(picture: Picture, cover: Field, rng: np.random.Generator) -> Field:
    """A raised lump of redder mucosa with a wet highlight."""
    depth = depth_of(cover)
    shade = lit(cover, rng, 0.3) * (0.7 + 0.45 * depth)
    red = paint(smooth_noise(picture.size, 8, rng), ramp((0.8, 0.36, 0.27), contrast=0.4))
    cx, cy = middle(cover)
    x, y = plane(picture.size)
    angle = rng.uniform(0, 2 * math.pi)
    glint = np.exp(
        -(((x - cx - 0.05 * math.cos(angle)) ** 2 + (y - cy - 0.05 * math.sin(angle)) ** 2) / 0.004)
    )
    return blended(red * shade[..., None], np.array([1.0, 0.97, 0.93]), 0.85 * glint)


def nodule(picture: Picture, cover: Field, rng: np.random.Generator) -> Field:
    """A dark, less speckled body with a thin bright capsule."""
    rim = np.clip(1 - depth_of(cover) * 5, 0, 1)
    inside = 0.3 + 0.15 * smooth_noise(picture.size, 6, rng)
    return pixels(picture) * (inside + 0.75 * rim)[..., None]


def tumour(picture: Picture, cover: Field, rng: np.random.Generator) -> Field:
    """A bright, uneven mass with a darker core."""
    depth = depth_of(cover)
    core = 0.3 * np.clip((depth - 0.5) * 3, 0, 1)
    level = 0.88 - core + 0.2 * (smooth_noise(picture.size, 9, rng) - 0.5)
    return 0.2 * pixels(picture) + 0.8 * level[..., None]


def bright(picture: Picture, _cover: Field, rng: np.random.Generator) -> Field:
    """Fresh blood on a CT: evenly bright."""
    level = 0.78 + 0.12 * (smooth_noise(picture.size, 8, rng) - 0.5)
    return 0.15 * pixels(picture) + 0.85 * level[..., None]


def haze(picture: Picture, _cover: Field, rng: np.random.Generator) -> Field:
    """A cloud over the dark lung."""
    level = 0.62 + 0.2 * (smooth_noise(picture.size, 12, rng) - 0.5)
    return 0.35 * pixels(picture) + 0.65 * level[..., None]
