"""Decoding of published image files, whole or not at all.

Files come from outside, so only the formats that the data sets use are tried, a picture larger than
Pillow's own limit is an error and not a warning, and a cut-off file is an error. Orientation tags are not
applied: the official code does not apply them either.
"""

import io

from PIL import Image, UnidentifiedImageError

from pipeline.errors import DataError, is_fault

_FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "GIF", "WEBP")


def decode(content: bytes, name: str) -> Image.Image:
    """The picture in `content`, fully decoded, in its own mode.

    Args:
        content: bytes of an image file.
        name: what to call the file in a message.

    Raises:
        DataError: not an image of a known format, damaged, cut off, or too large.
    """
    try:
        image = Image.open(io.BytesIO(content), formats=_FORMATS)
        width, height = image.size
        if Image.MAX_IMAGE_PIXELS is not None and width * height > Image.MAX_IMAGE_PIXELS:
            raise DataError(f"{name}: {width} x {height} pixels are too many for a picture of a data set")
        image.load()
        return image
    except UnidentifiedImageError:
        raise DataError(f"{name}: not an image of a known format") from None
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        if is_fault(error):
            raise
        raise DataError(f"{name}: damaged ({error})") from None
