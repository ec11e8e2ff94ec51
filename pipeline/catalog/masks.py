"""What a mask file marks: 0 and 255, or a reason why that cannot be known.

A mask of 8 bits is read as the official code reads it: as grey, and what lies above a grey value is defect.
Wider ones number their regions (0 is the background) and keep every number. What is transparent is
background. A mask is refused where reading it as grey would lose a region, or mark everything though it has
several values.
"""

from typing import Any, Final

import numpy as np
from PIL import Image

from pipeline.catalog.images import Contents, Values, open_contents
from pipeline.errors import DataError

SAME_SHAPE: Final = 0.02  # by which sides may be out of proportion: rounding of small masks of large images
_SAVE: Final = "save it in grey with 8 bits, 0 for the background and 255 for the defect"
_BACKGROUND_AND_DEFECT: Final = 2  # values
_LABELS: Final = 256  # colours of a mask that was drawn; lossy ones hold more
_LOSSY: Final = frozenset({"JPEG", "MPO", "WEBP"})
_NOISE: Final = 16  # grey values by which a lossy format moves those of a mask
_PLANE: Final = 2  # axes


def read_mask(content: bytes, name: str, above: int = 0) -> Image.Image:
    """The mask in `content` at its published size as 0 and 255.

    Args:
        content: bytes of an image file.
        name: what to call the file in a message.
        above: defect is what lies above this grey value.

    Raises:
        DataError: see `open_contents`; or it cannot be known what it marks.
    """
    found = open_contents(content, name)
    opaque = _opaque(found)
    marked = _eight_bits(found.image, name, above) if found.wide is None else _wide(found.wide, name, above)
    marked &= opaque
    if marked.all() and _has_background(found):
        raise DataError(f"{name}: it marks every pixel, so its background is not known; {_SAVE}")
    return Image.fromarray(marked.astype(np.uint8) * 255)


def _has_background(found: Contents) -> bool:
    """Whether a mask that marks every pixel seems to tell two things apart all the same."""
    image = found.image
    if found.wide is None and (image.mode == "P" or "A" in image.getbands() or "transparency" in image.info):
        return True
    values = found.wide if found.wide is not None else np.asarray(image.convert("L"))
    return bool(values.max() - values.min() > (_NOISE if image.format in _LOSSY else 0))


def _opaque(found: Contents) -> Values:
    """Where a mask can be seen, boolean (H, W)."""
    image = found.image
    if "A" not in image.getbands() and (found.wide is not None or "transparency" not in image.info):
        return np.ones((image.height, image.width), bool)
    alpha: Values = np.asarray(image.convert("RGBA"))[..., 3] > 0
    return alpha


def _eight_bits(image: Image.Image, name: str, above: int) -> Values:
    grey = np.asarray(image.convert("L"))
    coloured = image.mode not in ("1", "L", "LA") and image.format not in _LOSSY
    if coloured and (rgb := image.convert("RGB")).getcolors(_LABELS):
        dark = (grey == 0) & np.asarray(rgb).any(axis=2)
        if (dark & _opaque(Contents(image, None))).any():
            raise DataError(f"{name}: some of its colours are black when seen as grey; {_SAVE}")
    marked: Values = grey > above
    return marked


def _wide(values: Values, name: str, above: int) -> Values:
    if above:
        raise DataError(f"{name}: `mask_above` is for masks of 8 bits; {_SAVE}")
    if not np.isfinite(values).all() or values.min() < 0:
        raise DataError(f"{name}: values below 0 or none at all; {_SAVE}")
    if (values % 1).any() and len(np.unique(values)) > _BACKGROUND_AND_DEFECT:
        raise DataError(f"{name}: fractions (float) without a known bound; {_SAVE}")
    marked: Any = values > 0
    if marked.ndim > _PLANE:
        marked = marked[..., :3].any(axis=2)
    found: Values = marked
    return found
