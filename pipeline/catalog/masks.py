"""What a mask file marks: 0 and 255, or a reason why that cannot be known.

A mask of 8 bits is read as the official code reads it: as grey, and what lies above a grey value is defect.
Wider ones number their regions (0 is the ground) and keep every number. What is transparent is ground. A mask
is refused where reading it as grey would lose a region or mark everything without anyone having said so.
"""

from typing import Any, Final

import numpy as np
from PIL import Image

from pipeline.catalog.images import Contents, Values, open_contents
from pipeline.errors import DataError

_SAVE: Final = "save it in grey with 8 bits, 0 for the ground and 255 for the defect"
_GROUND_AND_DEFECT: Final = 2  # values
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
    doubtful = found.image.mode == "P" or "A" in found.image.getbands() or "transparency" in found.image.info
    if doubtful and marked.all():
        raise DataError(f"{name}: a mask with a palette or transparency that marks every pixel; {_SAVE}")
    return Image.fromarray(marked.astype(np.uint8) * 255)


def _opaque(found: Contents) -> Values:
    """Where a mask can be seen, boolean (H, W)."""
    image = found.image
    if "A" not in image.getbands() and (found.wide is not None or "transparency" not in image.info):
        return np.ones((image.height, image.width), bool)
    alpha: Values = np.asarray(image.convert("RGBA"))[..., 3] > 0
    return alpha


def _eight_bits(image: Image.Image, name: str, above: int) -> Values:
    grey = np.asarray(image.convert("L"))
    if image.mode == "P" and ((grey == 0) & np.asarray(image.convert("RGB")).any(axis=2)).any():
        raise DataError(f"{name}: colours of its palette are black when seen as grey; {_SAVE}")
    marked: Values = grey > above
    return marked


def _wide(values: Values, name: str, above: int) -> Values:
    if above:
        raise DataError(f"{name}: `mask_above` is for masks of 8 bits; {_SAVE}")
    if not np.isfinite(values).all() or values.min() < 0:
        raise DataError(f"{name}: values below 0 or none at all; {_SAVE}")
    if values.dtype.kind == "f" and len(np.unique(values)) > _GROUND_AND_DEFECT:
        raise DataError(f"{name}: fractions (float) without a known bound; {_SAVE}")
    marked: Any = values > 0
    if marked.ndim > _PLANE:
        marked = marked[..., :3].any(axis=2)
    found: Values = marked
    return found
