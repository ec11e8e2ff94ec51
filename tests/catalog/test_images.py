import io

import pytest
from PIL import Image

from pipeline.catalog.images import decode
from pipeline.errors import DataError


def encoded(fmt: str, mode: str = "RGB") -> bytes:
    buffer = io.BytesIO()
    Image.effect_noise((64, 48), 60).convert(mode).save(buffer, fmt)
    return buffer.getvalue()


@pytest.mark.parametrize("fmt", ["PNG", "JPEG", "BMP", "TIFF"])
def test_decodes_whole_pictures(fmt: str) -> None:
    assert decode(encoded(fmt), "x").size == (64, 48)


@pytest.mark.parametrize("fmt", ["PNG", "JPEG", "BMP", "TIFF"])
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_a_cut_off_file_is_an_error(fmt: str, share: float) -> None:
    content = encoded(fmt)
    with pytest.raises(DataError, match=r"^bottle/x\.png: ") as caught:
        decode(content[: int(len(content) * share)], "bottle/x.png")
    assert "0x" not in str(caught.value)  # no memory addresses: messages are stored


@pytest.mark.parametrize("content", [b"", b"not an image", b"\x89PNG\r\n\x1a\n", b"BM", encoded("PPM")])
def test_other_content_is_an_error(content: bytes) -> None:
    with pytest.raises(DataError, match="x"):
        decode(content, "x")


def test_a_flipped_byte_in_a_png_is_an_error() -> None:
    content = bytearray(encoded("PNG"))
    content[len(content) // 2] ^= 0xFF
    with pytest.raises(DataError, match="damaged"):
        decode(bytes(content), "x")


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_too_many_pixels_is_an_error_not_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    content = encoded("PNG")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 64 * 48)
    assert decode(content, "x").size == (64, 48)
    for limit in (64 * 48 - 1, 64 * 48 // 3):  # Pillow itself warns at once, and stops at twice the limit
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        with pytest.raises(DataError):
            decode(content, "x")


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("share", [1, 3])  # Pillow itself stops at twice the limit
def test_the_limit_can_be_set_as_the_message_says(share: int, monkeypatch: pytest.MonkeyPatch) -> None:
    content = encoded("PNG")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 64 * 48 // share - 1)
    with pytest.raises(DataError, match=r"x: 3072 pixels, .* ZSAD_MAX_PIXELS=3072"):
        decode(content, "x")
    monkeypatch.setenv("ZSAD_MAX_PIXELS", "3072")
    assert decode(content, "x").size == (64, 48)
    monkeypatch.setenv("ZSAD_MAX_PIXELS", "many")
    with pytest.raises(DataError, match="ZSAD_MAX_PIXELS=many: set it to a number of pixels"):
        decode(content, "x")
