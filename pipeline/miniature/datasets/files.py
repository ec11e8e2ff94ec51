"""Writes images, masks and texts with fixed encoder settings, so that the same picture is the same bytes.

The suffix decides the format: PNG, JPEG or BMP in any case. Masks are 8-bit grey, 0 and 255.
"""

import io
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage

from pipeline.files import write_bytes
from pipeline.miniature.datasets.studio import Pixels
from pipeline.miniature.drawing.plane import Mask

_JPEG_QUALITY = 90
_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".bmp": "BMP"}


def encoded(pixels: Pixels, suffix: str) -> bytes:
    """`pixels` as the content of a file with this suffix."""
    kind = _FORMATS[suffix.lower()]
    options = {"JPEG": {"quality": _JPEG_QUALITY, "subsampling": 0}, "PNG": {"compress_level": 9}, "BMP": {}}[
        kind
    ]
    buffer = io.BytesIO()
    PillowImage.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def save(path: Path, pixels: Pixels) -> None:
    """Write an image."""
    write_bytes(path, encoded(pixels, path.suffix))


def save_mask(path: Path, mask: Mask) -> None:
    """Write a mask: 255 where it is True; a JPEG gets the grey values that its compression makes."""
    save(path, mask.astype(np.uint8) * 255)
