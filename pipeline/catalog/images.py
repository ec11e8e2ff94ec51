"""Decoding of published image files, whole or not at all.

Files come from outside, so only the formats that the data sets use are tried, a picture larger than
Pillow's own limit, or that of ZSAD_MAX_PIXELS, is an error, and so is a cut-off file. Orientation tags are
not applied: the official code does not apply them either.
"""

import io
import os
import re

from PIL import Image, UnidentifiedImageError

from pipeline.errors import DataError, is_fault

_LIMIT = "ZSAD_MAX_PIXELS"
_FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "GIF", "WEBP")


def decode(content: bytes, name: str) -> Image.Image:
    """The picture in `content`, fully decoded, in its own mode.

    Args:
        content: bytes of an image file.
        name: what to call the file in a message.

    Raises:
        DataError: not an image of a known format, damaged, cut off, or too large.
    """
    _set_limit()
    try:
        image = Image.open(io.BytesIO(content), formats=_FORMATS)
        width, height = image.size
        if Image.MAX_IMAGE_PIXELS is not None and width * height > Image.MAX_IMAGE_PIXELS:
            raise DataError(_too_large(name, width * height))
        image.load()
        return image
    except Image.DecompressionBombError as error:
        raise DataError(_too_large(name, int(re.findall(r"\d+", str(error))[0]))) from None
    except UnidentifiedImageError:
        raise DataError(f"{name}: not an image of a known format") from None
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        if is_fault(error):
            raise
        raise DataError(f"{name}: damaged ({error})") from None


def _set_limit() -> None:
    """Take over the number of pixels that the user allows, if any."""
    allowed = os.environ.get(_LIMIT)
    if allowed is None:
        return
    if not allowed.isdecimal():
        raise DataError(f"{_LIMIT}={allowed}: set it to a number of pixels, such as 200000000")
    Image.MAX_IMAGE_PIXELS = int(allowed)


def _too_large(name: str, pixels: int) -> str:
    return (
        f"{name}: {pixels} pixels, which may be a bomb; make the picture smaller, or allow that many "
        f"with the environment variable {_LIMIT}={pixels}"
    )
