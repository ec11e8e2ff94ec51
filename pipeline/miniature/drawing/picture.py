"""What a drawing is made of: the look of a product, the layers of a shape, the finished picture.

A `Look` holds what all pictures of one product share (colours, materials, proportions); position, turn,
light and grain are new in every picture. An object is a list of `Layer`s, from the back to the front.
"""

import math
from dataclasses import dataclass

import numpy as np

from pipeline.miniature.drawing.colour import Palette, blended, finished, paint, random_palette
from pipeline.miniature.drawing.plane import (
    Field,
    Image,
    Mask,
    Size,
    coverage,
    pixel,
    plane,
    size_of,
    smooth_noise,
    turned,
    union,
)
from pipeline.miniature.drawing.textures import TEXTURES


@dataclass(frozen=True)
class Picture:
    """A drawing without defects.

    Attributes:
        image: (h, w, 3) in [0, 1].
        region: (h, w), where the object is; all True on a pure texture.
        backdrop: (h, w, 3), what shows where a part of the object is missing.
    """

    image: Image
    region: Mask
    backdrop: Image

    @property
    def size(self) -> Size:
        """Height and width in pixels."""
        return size_of(self.region)


@dataclass(frozen=True)
class Look:
    """What the pictures of one product have in common.

    Attributes:
        palette: colours of the object, dark to light.
        surface: its material, a key of `TEXTURES`.
        backdrop_palette: colours of what lies behind it.
        backdrop: the material behind it.
        count: number of its repeated parts (teeth, sides, items), 3 to 12.
        slender: 0 (stout) to 1 (thin), the proportion of its parts.
        extent: half its size in plane units, about 0.6 to 0.85.
        turn: how far pictures are turned, in radians to either side.
        grain: how strongly the material shows, 0 to 1.
        scale: size of the material's pattern.
    """

    palette: Palette
    surface: str
    backdrop_palette: Palette
    backdrop: str
    count: int = 6
    slender: float = 0.5
    extent: float = 0.75
    turn: float = 0.1
    grain: float = 0.3
    scale: float = 1.0


@dataclass(frozen=True)
class Layer:
    """One part of an object.

    Attributes:
        distance: (h, w) signed distance in the object's own units, negative inside.
        tone: place on the palette, 0 (dark) to 1 (light).
        bevel: width of its rounded edge; 0 is flat.
        solid: False for a marking that lies on the object and adds nothing to its region.
    """

    distance: Field
    tone: float = 0.5
    bevel: float = 0.0
    solid: bool = True


_QUIET = ("smooth", "noise", "brushed", "leather", "tufted", "speckle", "wood")


def random_look(
    rng: np.random.Generator, *, colour: str | None = None, backdrop_colour: str | None = None
) -> Look:
    """A product as no other: any colours (or the named ones), materials and proportions."""
    dark_or_light = ("black", "white", "grey", "beige")[int(rng.integers(4))]
    return Look(
        palette=random_palette(rng, colour=colour),
        surface=_QUIET[int(rng.integers(len(_QUIET)))],
        backdrop_palette=random_palette(rng, colour=backdrop_colour or dark_or_light),
        backdrop=_QUIET[int(rng.integers(4))],
        count=int(rng.integers(3, 13)),
        slender=float(rng.random()),
        extent=float(rng.uniform(0.55, 0.85)),
        turn=float(rng.choice([0.1, math.pi])),
        grain=float(rng.uniform(0.15, 0.5)),
        scale=float(rng.uniform(0.7, 1.5)),
    )


def posed(size: Size, look: Look, rng: np.random.Generator) -> tuple[Field, Field, float]:
    """Coordinates in the object's own frame (it spans [-1, 1]), and the length of its unit in plane units."""
    unit = look.extent * rng.uniform(0.95, 1.05)
    x, y = plane(size)
    dx, dy = rng.uniform(-0.06, 0.06, 2)
    x, y = turned(x - dx, y - dy, rng.uniform(-look.turn, look.turn))
    return x / unit, y / unit, unit


def _shade(layer: Layer, size: Size, unit: float, light: float) -> Field:
    """Brightness (h, w) around 1 of a rounded edge lit from the angle `light`."""
    if layer.bevel <= 0:
        return np.ones(size)
    rows, columns = np.gradient(layer.distance, pixel(size) / unit)
    edge = np.clip(1 + layer.distance / layer.bevel, 0, 1)
    return 1 + 0.35 * edge * (math.cos(light) * columns + math.sin(light) * rows)


def render(size: Size, look: Look, layers: list[Layer], unit: float, rng: np.random.Generator) -> Picture:
    """The layers laid over the backdrop, with a soft shadow, light and grain."""
    light = -0.75 * math.pi + rng.uniform(-0.3, 0.3)
    backdrop = paint(np.clip(TEXTURES[look.backdrop](size, rng, 1.0), 0, 1), look.backdrop_palette)
    material = look.grain * (TEXTURES[look.surface](size, rng, look.scale) - 0.5)
    outline = union([layer.distance for layer in layers if layer.solid]) * unit
    offset = max(1, round(0.03 / pixel(size)))
    shadow = np.clip(0.5 - np.roll(outline, (offset, offset), (0, 1)) / 0.12, 0, 1)
    image = backdrop * (1 - 0.45 * shadow[..., None])
    for layer in layers:
        tone = layer.tone + material + 0.06 * (smooth_noise(size, 2, rng) - 0.5)
        colour = paint(np.clip(tone, 0, 1), look.palette) * _shade(layer, size, unit, light)[..., None]
        image = blended(image, colour, coverage(layer.distance * unit, size))
    return Picture(finished(image, rng), outline < 0, np.clip(backdrop * 0.8, 0, 1).astype(np.float32))
