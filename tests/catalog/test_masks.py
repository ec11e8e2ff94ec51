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


KINDS = {
    "bits": stored(Image.fromarray(DEFECT)),
    "zeros and ones": stored(Image.fromarray(DEFECT.astype(np.uint8))),
    "16 bits": stored(Image.fromarray((DEFECT * 65535).astype(np.uint16))),
    "16-bit numbers": stored(Image.fromarray(DEFECT.astype(np.uint16))),
    "16-bit numbers beyond a byte": stored(Image.fromarray((DEFECT * 256).astype(np.uint16))),
    "32-bit numbers": stored(Image.fromarray((DEFECT * 70000).astype(np.int32)), "TIFF"),
    "two fractions": stored(Image.fromarray(DEFECT.astype(np.float32)), "TIFF"),
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
    ],
)
def test_what_cannot_be_known_is_refused(image: Image.Image, fmt: str, message: str) -> None:
    with pytest.raises(DataError, match=f"^m: .*{message}"):
        read_mask(stored(image, fmt), "m")


@given(st.integers(1, 255))
def test_any_value_above_zero_is_defect(value: int) -> None:
    grey = stored(Image.fromarray(np.array([[0, value], [value, 0]], np.uint8)))
    assert marked(grey) == [[False, True], [True, False]]


def test_a_plain_mask_may_mark_everything() -> None:
    assert all(map(all, marked(stored(Image.new("L", (8, 6), 255)))))


def test_a_bound_is_of_8_bits() -> None:
    grey = stored(Image.fromarray(np.array([[0, 127, 128, 255]], np.uint8)))
    assert marked(grey, 127) == [[False, False, True, True]]
    with pytest.raises(DataError, match="mask_above"):
        read_mask(KINDS["16-bit numbers"], "m", 127)
