"""What a lesion looks like, in the manner of `fills`."""

import math

import numpy as np

from pipeline.miniature.drawing.colour import blended, paint, ramp
from pipeline.miniature.drawing.ground import depth_of, lit, middle, pixels
from pipeline.miniature.drawing.picture import Picture
from pipeline.miniature.drawing.plane import Field, plane, smooth_noise


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
