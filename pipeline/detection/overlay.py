"""An anomaly map in colours over its image, at the image's own size, with the scale of the colours below.

Colours run from the lowest to the highest value of this one map, so they say where, not how much; the scale
says how much. Its two values are also in the file's own text, where a picture is too small to print them.
"""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from pipeline.files import atomic_path
from pipeline.shards.reader import Bytes

_COLOURS = "turbo"
_OPACITY = 0.5
_LETTERS = (9, 60)  # height of the smallest and of the largest letters
_SHARE = 40  # of the longer side, for the letters


def write_overlay(path: Path, image: Image.Image, values: NDArray[np.float32]) -> None:
    """Write the overlay of an image as PNG: (W, H) as the image has them, and the scale below.

    Args:
        path: where to.
        image: as published, 8 bits a channel.
        values: its anomaly map, (S, S), finite.
    """
    low, high = float(values.min()), float(values.max())
    share = (values - low) / (high - low) if high > low else np.zeros_like(values)
    colours = Image.fromarray(_palette()[(share * 255).round().astype(np.uint8)])
    heat = colours.resize(image.size, Image.Resampling.BILINEAR)
    scale = _scale(image.size, f"{low:.3g}", f"{high:.3g}")
    sheet = Image.new("RGB", (image.width, image.height + scale.height))
    sheet.paste(Image.blend(image.convert("RGB"), heat, _OPACITY))
    sheet.paste(scale, (0, image.height))
    told = PngInfo()
    told.add_text("lowest", repr(low))
    told.add_text("highest", repr(high))
    with atomic_path(path) as temporary:
        sheet.save(temporary, format="PNG", pnginfo=told)


def _scale(size: tuple[int, int], low: str, high: str) -> Image.Image:
    """A bar of the colours, with the two values on its ends where they fit."""
    width = size[0]
    letters = int(np.clip(max(size) // _SHARE, *_LETTERS))
    row = _palette()[np.linspace(0, 255, width).round().astype(np.uint8)]
    scale = Image.fromarray(np.ascontiguousarray(np.broadcast_to(row, (2 * letters, width, 3))))
    font: Any = ImageFont.load_default(letters)
    draw = ImageDraw.Draw(scale)
    if draw.textlength(f"{low}   {high}", font) + letters < width:
        for text, x, anchor in ((low, letters // 2, "lm"), (high, width - letters // 2, "rm")):
            draw.text((x, letters), text, "white", font, anchor, stroke_width=1, stroke_fill="black")
    return scale


@cache
def _palette() -> Bytes:
    """256 colours, (256, 3)."""
    from matplotlib import colormaps

    palette: Bytes = colormaps[_COLOURS](np.arange(256), bytes=True)[:, :3]
    return palette
