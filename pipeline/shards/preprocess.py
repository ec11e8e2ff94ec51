"""From a published picture to the arrays that the benchmark sees, as the official code does it.

Images: resized to S x S, bicubic, the aspect ratio is not kept; converted to RGB after that, which
matters for palette, alpha and 1-bit pictures. Masks (`pipeline.catalog.masks`): all above 0 is defect,
another bound is a build of its own; resized bilinearly as 0/255, and defect again where the result exceeds
one half (AnomalyCLIP, dataset.py and test.py).
JPEG masks therefore grow by their compression noise, and one-pixel defects may vanish.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.catalog.masks import SAME_SHAPE
from pipeline.catalog.samples import Box, Sample
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


def check_pair(
    sample: Sample, size: tuple[int, int], mask: str, mask_size: tuple[int, int], *, own: bool = True
) -> None:
    """Refuse a mask that is not of its image's shape; one of another size is resized with it.

    A published pair may be somewhat out of proportion, since the official code stretches both alike, but not
    turned. `own`: it is none.

    Raises:
        DataError: the sides are not in proportion, as when only one of the two was turned; or only a piece is
            meant, which is counted in pixels of both, and the sizes differ.
    """
    shape = _alike(size, mask_size)
    turned = not shape and _alike(size, mask_size[::-1])
    if (not shape if own else turned) or (sample.crop and size != mask_size):
        (width, height), (other, tall) = size, mask_size
        raise DataError(
            f"{mask}: {other} x {tall} pixels, while its image {sample.image} has {width} x {height}; "
            "turn or cut one of them as the other"
        )


def _alike(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether two pictures, (width, height), have the same proportions."""
    across = one[0] * other[1], one[1] * other[0]
    return abs(across[0] - across[1]) <= SAME_SHAPE * max(across)


def mask_bits(mask: Image.Image, size: int) -> Bytes:
    """A 0/255 mask as packed bits of the (size, size) mask, uint8 (ceil(size * size / 8),)."""
    resized = np.asarray(mask.resize((size, size), Image.Resampling.BILINEAR))
    return np.packbits(resized > 0.5 * 255)
