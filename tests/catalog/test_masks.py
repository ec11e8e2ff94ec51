"""What masks of every kind mark; references are drawn, not read."""

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pipeline.catalog.masks import read_mask
from pipeline.errors import DataError

DEFECT = np.zeros((6, 8), bool)
DEFECT[1:3, 2:7] = True


def stored(image: Image.Image, fmt: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, fmt, **options)
    return buffer.getvalue()


def marked(content: bytes, above: int = 0) -> list[list[bool]]:
    found: list[list[bool]] = (np.asarray(read_mask(content, "m", above)) == 255).tolist()
    return found


def palette(*colours: tuple[int, int, int]) -> Image.Image:
    image = Image.fromarray(DEFECT.astype(np.uint8)).convert("P")
    image.putdata(DEFECT.astype(np.uint8).ravel().tolist())
    image.putpalette([value for colour in colours for value in colour])
    return image


def seen(background: int, mode: str = "RGBA") -> Image.Image:
    """White or black ground that is transparent, the defect opaque."""
    grey = np.where(DEFECT, 255, background).astype(np.uint8)
    image = Image.fromarray(grey).convert(mode)
    image.putalpha(Image.fromarray((DEFECT * 255).astype(np.uint8)))
    return image


def two(first: Any, second: Any, kind: Any = np.uint8) -> Image.Image:
    """Background of the first value, defect of the second."""
    where = DEFECT[..., None] if isinstance(first, tuple) else DEFECT
    return Image.fromarray(np.where(where, second, first).astype(kind))


def with_region(value: Any) -> Image.Image:
    """A red defect, and a second one of `value`."""
    pixels = np.where(DEFECT[..., None], (255, 0, 0), (0, 0, 0)).astype(np.uint8)
    pixels[5, :3] = value
    return Image.fromarray(pixels)


KINDS = {
    "bits": stored(Image.fromarray(DEFECT)),
    "zeros and ones": stored(Image.fromarray(DEFECT.astype(np.uint8))),
    "16 bits": stored(Image.fromarray((DEFECT * 65535).astype(np.uint16))),
    "16-bit numbers": stored(Image.fromarray(DEFECT.astype(np.uint16))),
    "16-bit numbers beyond a byte": stored(Image.fromarray((DEFECT * 256).astype(np.uint16))),
    "32-bit numbers": stored(Image.fromarray((DEFECT * 70000).astype(np.int32)), "TIFF"),
    "two fractions": stored(Image.fromarray(DEFECT.astype(np.float32)), "TIFF"),
    "region numbers as fractions": stored(two(0, 3, np.float32), "TIFF"),
    "grey values of a byte": stored(Image.fromarray(DEFECT * np.float32(255)), "TIFF"),
    "print colours": stored(Image.fromarray((DEFECT * 255).astype(np.uint8)).convert("CMYK"), "TIFF"),
    "white on black": stored(palette((0, 0, 0), (255, 255, 255)), "GIF"),
    "half": stored(Image.fromarray((DEFECT * 0.5).astype(np.float32)), "TIFF"),
    "transparent white": stored(seen(255)),
    "transparent black": stored(seen(0)),
    "grey, transparent white": stored(seen(255, "LA")),
    "red on black": stored(palette((0, 0, 0), (200, 0, 0))),
    "transparent entry": stored(palette((255, 255, 255), (255, 0, 0)), transparency=0),
}


@pytest.mark.parametrize("kind", KINDS)
def test_marks_what_was_drawn(kind: str) -> None:
    assert marked(KINDS[kind]) == DEFECT.tolist()


@pytest.mark.parametrize(
    ("image", "fmt", "message"),
    [
        (Image.fromarray(np.linspace(0, 1, 48, dtype=np.float32).reshape(6, 8)), "TIFF", "fractions"),
        (Image.fromarray(np.full((6, 8), np.nan, np.float32)), "TIFF", "none at all"),
        (Image.fromarray(-DEFECT.astype(np.int32)), "TIFF", "below 0"),
        (Image.new("LAB", (8, 6)), "TIFF", "LAB"),
        (palette((255, 255, 255), (255, 0, 0)), "PNG", "marks every pixel"),
        (palette((0, 0, 0), (0, 0, 3)), "PNG", "black when seen as grey"),
        (Image.new("RGBA", (8, 6), (255, 255, 255, 255)), "PNG", "marks every pixel"),
        (two(1, 2), "PNG", "marks every pixel"),
        (two(1, 2, np.uint16), "PNG", "marks every pixel"),
        (two(0.1, 0.9, np.float32), "TIFF", "marks every pixel"),
        (two((68, 1, 84), (253, 231, 36)), "PNG", "marks every pixel"),
        (two((255, 255, 255), (255, 0, 0)), "JPEG", "marks every pixel"),
        (with_region((1, 0, 0)), "PNG", "black when seen as grey"),
        (with_region((0, 0, 3)), "TIFF", "black when seen as grey"),
    ],
)
def test_what_cannot_be_known_is_refused(image: Image.Image, fmt: str, message: str) -> None:
    with pytest.raises(DataError, match=f"^m: .*{message}"):
        read_mask(stored(image, fmt), "m")


@given(st.integers(1, 255))
def test_any_value_above_zero_is_defect(value: int) -> None:
    grey = stored(Image.fromarray(np.array([[0, value], [value, 0]], np.uint8)))
    assert marked(grey) == [[False, True], [True, False]]


@pytest.mark.parametrize("fmt", ["PNG", "JPEG", "BMP"])
def test_a_plain_mask_may_mark_everything(fmt: str) -> None:
    noise = np.random.default_rng(0).integers(250, 256, (6, 8)) if fmt == "JPEG" else np.full((6, 8), 255)
    assert all(map(all, marked(stored(Image.fromarray(noise.astype(np.uint8)), fmt))))


def test_a_bound_is_of_8_bits() -> None:
    grey = stored(Image.fromarray(np.array([[0, 127, 128, 255]], np.uint8)))
    assert marked(grey, 127) == [[False, False, True, True]]
    with pytest.raises(DataError, match="mask_above"):
        read_mask(KINDS["16-bit numbers"], "m", 127)
