"""What an image file holds: a picture of 8-bit values, or a reason why its values cannot be known.

Files come from outside, so only the formats that the data sets use are tried, a picture larger than
Pillow's own limit, or that of ZSAD_MAX_PIXELS, is an error before it is unpacked, and a file that is too
long for it before it is read; so is a cut-off file. Orientation tags, gamma
and colour profiles are not applied: the official code does not apply them either. Values of up to 16 bits are
scaled to 8 by their bit depth; fractions and larger numbers have no known black and white and are refused.
"""

import io
import os
import re
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, UnidentifiedImageError

from pipeline.errors import DataError, count, is_fault
from pipeline.files import TooLongError, open_regular, read_all

Values: TypeAlias = NDArray[Any]

_LIMIT = "ZSAD_MAX_PIXELS"
_WIDEST: Final = 8  # bytes of a pixel: four values of 16 bits
_BESIDE: Final = 64 << 20  # bytes of previews, profiles and tags
_FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "GIF", "WEBP")
_EIGHT_BITS: Final = frozenset({"1", "L", "P", "LA", "RGB", "RGBA", "CMYK", "YCbCr"})
_DEPTHS: Final = (8, 10, 12, 14, 16)  # of cameras and scanners
_UNLIKELY: Final = 1 << 14  # a largest value below leaves a 16-bit picture at a quarter of its brightness
_BITS, _PHOTOMETRIC, _SUBFILE = 258, 262, 254  # TIFF tags
_WHITE_IS_ZERO = 0
_ORIENTATION = 274  # EXIF tag
_PLANE: Final = 2  # axes
_SAVE: Final = "save it with 8 or 16 bits"
# Pillow unpacks one byte of each 16-bit value; by these raw modes it unpacks the other one.
_OTHER_BYTE: Final = {
    f"{mode};16{one}": f"{mode};16{other}" for mode in ("RGB", "RGBA") for one, other in ("BL", "LB", "NB")
}


class Contents(NamedTuple):
    """What lies in an image file.

    Attributes:
        image: The picture as Pillow has it, loaded.
        wide: Its values, (H, W) or (H, W, channels), where 8 bits do not hold them; else None.
        depth: Bits of those values by the file's own word, None where it has none but the container's.
    """

    image: Image.Image
    wide: Values | None
    depth: int | None = None


def decode(content: bytes, name: str, bit_depth: int | None = None) -> Image.Image:
    """The picture in `content`, fully decoded, with values of 8 bits in its own mode.

    Args:
        content: bytes of an image file.
        name: what to call the file in a message.
        bit_depth: of values that are stored in 16 bits; None: 16, unless none comes near that.

    Raises:
        DataError: not an image of a known format, damaged, cut off, too large, or of values whose meaning is
            not known.
    """
    found = open_contents(content, name)
    if found.wide is None:
        return _visible(found.image, name)
    values = _sixteen_bits(found.wide, name)
    peak = _peak(values)
    depth = found.depth or bit_depth or 16
    if peak >= 1 << depth:
        raise DataError(
            f"{name}: its largest value is {peak}, beyond the bit depth of {depth}; state {depth_of(peak)}"
        )
    if not (found.depth or bit_depth) and peak < _UNLIKELY:
        raise DataError(
            f"{name}: 16 bits, but its largest value is {peak}, so white is not known; save it with 8 "
            f"bits, or state under `builds` in the record (`bit_depth: {depth_of(peak)}`; 16 if it is dark)"
        )
    return _visible(_scaled(values, depth), name)


def read_image(path: Path, name: str) -> bytes:
    """The bytes of an image file.

    Raises:
        DataError: more than any picture takes that may be read.
        OSError: no regular file is there, or the machine cannot read it now.
    """
    with open_regular(path) as file:
        return _bounded(file, name)


def _bounded(file: IO[bytes], name: str) -> bytes:
    _set_limit()
    pixels = Image.MAX_IMAGE_PIXELS or 0
    try:
        return read_all(file, pixels * _WIDEST + _BESIDE)
    except TooLongError as error:
        raise DataError(
            f"{name}: {error}, which no picture of {pixels} pixels takes ({_LIMIT}); save it alone, as PNG"
        ) from None


def peak_of(file: IO[bytes], name: str) -> int | None:
    """The largest value of a picture that is stored in 16 bits; None for one of 8, or of a depth of its own.

    Of one of 8 bits the header alone is read.

    Raises:
        DataError: see `decode`.
        OSError: the machine cannot read it now.
    """
    if not _has_wide_header(file):
        return None
    found = open_contents(_bounded(file, name), name)
    if found.wide is None or found.depth is not None:
        return None
    return _peak(_sixteen_bits(found.wide, name))


def _has_wide_header(file: IO[bytes]) -> bool:
    try:
        return _is_wide(Image.open(file, formats=_FORMATS))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        if is_fault(error):
            raise
        return True  # reading all of it says what is wrong


def orientation_of(image: Image.Image) -> int:
    """How an image asks to be shown by its EXIF tag, 2 to 8; 1 is upright, and other values say nothing."""
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except (SyntaxError, ValueError, TypeError, OSError, struct.error):  # of damaged tags
        return 1
    return value if isinstance(value, int) and value in range(1, 9) else 1


def depth_note(peaks: Sequence[int]) -> str:
    """What to say of pictures of 16 bits that have these largest values, and are read as one set."""
    depth = depth_of(max(peaks))
    return f"{count(len(peaks), 'image')} of 16 bits, largest value {max(peaks)}: read as {depth} bits"


def depth_of(peak: int) -> int:
    """The bit depth of a set of pictures with this largest value.

    Examples:
        >>> depth_of(255), depth_of(4095), depth_of(4096), depth_of(65535)
        (8, 12, 14, 16)
    """
    return next(depth for depth in _DEPTHS if peak < 1 << depth)


def open_contents(content: bytes, name: str) -> Contents:
    """What lies in an image file, as stored.

    Raises:
        DataError: not an image of a known format, damaged, cut off, too large, of several pictures, or of a
            colour space or bit depth that is not read.
    """
    _set_limit()
    try:
        image = Image.open(io.BytesIO(content), formats=_FORMATS)
        width, height = image.size
        if Image.MAX_IMAGE_PIXELS is not None and width * height > Image.MAX_IMAGE_PIXELS:
            raise DataError(_too_large(name, width * height))
        _check_single(image, name)
        return _loaded(image, content, name)
    except Image.DecompressionBombError as error:
        raise DataError(_too_large(name, int(re.findall(r"\d+", str(error))[0]))) from None
    except UnidentifiedImageError:
        if content[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
            raise DataError(f"{name}: a TIFF of a kind that is not read; {_SAVE}, as PNG") from None
        what = "not an image of a known format" if content else "an empty file"
        raise DataError(f"{name}: {what}") from None
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


def _check_single(image: Image.Image, name: str) -> None:
    """Refuse stacks and animations; previews that lie beside the picture do not count.

    Phones put a second picture behind a JPEG (MPO), of the same scene: the first one is meant.
    """
    frames = getattr(image, "n_frames", 1)
    if frames == 1 or image.format == "MPO":
        return
    if image.format == "TIFF":
        others = 0
        for frame in range(1, frames):
            image.seek(frame)
            others += not int(image.tag_v2.get(_SUBFILE, 0)) & 0b101  # type: ignore[attr-defined]
        image.seek(0)
        frames = others + 1
    if frames > 1:
        raise DataError(f"{name}: holds {frames} pictures; save the one that is meant alone")


def _loaded(image: ImageFile.ImageFile, content: bytes, name: str) -> Contents:
    bits, raw_modes = _stored(image)
    wide = _is_wide(image)
    image.load()
    if wide and image.mode.startswith(("I", "F")):
        if _tags(image).get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
            raise DataError(f"{name}: a TIFF of {bits} bits whose white is 0; save it with black as 0")
        return Contents(image, np.asarray(image), _own_depth(bits, raw_modes))
    if wide:
        return Contents(image, _sixteen_bit_colour(image, content, raw_modes, name))
    if image.mode not in _EIGHT_BITS:
        raise DataError(f"{name}: its colours are {image.mode}, which is not read; save it as RGB")
    return Contents(image, None)


def _tags(image: Image.Image) -> Any:
    return image.tag_v2 if image.format == "TIFF" else {}  # type: ignore[attr-defined]


def _stored(image: Image.Image) -> tuple[int, set[str]]:
    """Bits of a value, 0 where only TIFF says so, and the raw modes by which Pillow unpacks them."""
    tags = _tags(image)
    arguments = [tile.args[0] if isinstance(tile.args, tuple) else tile.args for tile in image.tile]  # type: ignore[attr-defined]
    return (
        max(tags.get(_BITS, (1,))) if tags else 0,
        {mode for mode in arguments if isinstance(mode, str)},
    )


def _is_wide(image: Image.Image) -> bool:
    """Whether a picture that is not loaded yet holds values of more than 8 bits."""
    bits, raw_modes = _stored(image)
    if image.mode.startswith("I;16") or image.mode in ("I", "F") or bits > 8:
        return True
    return image.format == "PNG" and any(";16" in mode for mode in raw_modes)


def _own_depth(bits: int, raw_modes: set[str]) -> int | None:
    """Bits of a grey picture by its own word: 12, or 15 beside a sign."""
    return 15 if raw_modes & {"I;16S", "I;16BS"} else bits if bits == 12 else None


def _sixteen_bit_colour(image: Image.Image, content: bytes, raw_modes: set[str], name: str) -> Values:
    """Values of 16-bit colours, (H, W, channels): one byte from `image`, the other from a second pass."""
    if not raw_modes or not raw_modes <= _OTHER_BYTE.keys():
        raise DataError(
            f"{name}: {image.mode} of more than 8 bits, packed in a way that is not read; save it as a PNG "
            "of RGB or grey"
        )
    again = Image.open(io.BytesIO(content), formats=_FORMATS)
    again.tile = [tile._replace(args=_swapped(tile.args)) for tile in again.tile]
    values: Values = np.asarray(image).astype(np.uint16) << 8 | np.asarray(again)
    return values


def _swapped(arguments: Any) -> Any:
    """A decoder's arguments with the raw mode of the other byte."""
    if isinstance(arguments, str):
        return _OTHER_BYTE[arguments]
    return (_OTHER_BYTE[arguments[0]], *arguments[1:])


def _peak(values: Values) -> int:
    """The largest value, transparency left out."""
    return int((values if values.ndim == _PLANE else values[..., :3]).max())


def _sixteen_bits(values: Values, name: str) -> Values:
    """`values` of a picture as uint16.

    Raises:
        DataError: fractions, or numbers that 16 bits do not hold.
    """
    if values.dtype.kind == "f":
        raise DataError(f"{name}: its values are fractions (float) of an unknown white; {_SAVE}")
    low, high = int(values.min()), int(values.max())
    if low < 0 or high > 0xFFFF:
        raise DataError(
            f"{name}: values from {low} to {high} are beyond 16 bits, of an unknown white; {_SAVE}"
        )
    return values.astype(np.uint16)


def _scaled(values: Values, depth: int) -> Image.Image:
    """Values of `depth` bits as 8, rounded: v · 255 / (2^depth - 1); transparency always has 16 bits."""
    top = np.full(values.shape[2:], (1 << depth) - 1, np.uint32)
    if values.shape[2:] == (4,):
        top[3] = 0xFFFF
    return Image.fromarray(((values * np.uint32(255) + top // 2) // top).astype(np.uint8))


def _visible(image: Image.Image, name: str) -> Image.Image:
    if image.mode in ("LA", "RGBA") and image.getextrema()[-1] == (0, 0):
        raise DataError(f"{name}: every pixel is transparent; save it without transparency")
    return image
