"""From a published picture to the arrays that the benchmark sees, as the official code does it.

Images: resized to S x S, bicubic, the aspect ratio is not kept; converted to RGB after that, which
matters for palette, alpha and 1-bit pictures. Masks: every value above 0 is defect (another bound is a build
of its own), resized bilinearly as 0/255, and defect again where the result exceeds one half (AnomalyCLIP,
dataset.py and test.py).
JPEG masks therefore grow by their compression noise, and one-pixel defects may vanish.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.catalog.samples import Box
from pipeline.errors import DataError

Bytes: TypeAlias = NDArray[np.uint8]


def crop_to(picture: Image.Image, box: Box | None, name: str) -> Image.Image:
    """The piece of a picture that is meant.

    Raises:
        DataError: the box reaches beyond the picture.
    """
    if box is None:
        return picture
    if box[2] > picture.width or box[3] > picture.height:
        raise DataError(f"{name}: {picture.width} x {picture.height} pixels, too small for the piece {box}")
    return picture.crop(box)


def image_array(picture: Image.Image, size: int) -> Bytes:
    """A picture as uint8 (size, size, 3) RGB."""
    resized = picture.resize((size, size), Image.Resampling.BICUBIC)
    return np.asarray(resized.convert("RGB"), dtype=np.uint8)


def binary(picture: Image.Image, above: int = 0) -> Image.Image:
    """A mask at its published size as 0 and 255; defect is what lies above a grey value."""
    defect = np.asarray(picture.convert("L")) > above
    return Image.fromarray(defect.astype(np.uint8) * 255)


def mask_bits(mask: Image.Image, size: int) -> Bytes:
    """A 0/255 mask as packed bits of the (size, size) mask, uint8 (ceil(size * size / 8),)."""
    resized = np.asarray(mask.resize((size, size), Image.Resampling.BILINEAR))
    return np.packbits(resized > 0.5 * 255)
