import io
import resource
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.catalog.images import decode, orientation_of, peak_of, read_image
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


def test_a_file_too_long_for_any_picture_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "long.png"
    path.write_bytes(content := encoded("PNG"))
    assert read_image(path, "x") == content
    with path.open("r+b") as file:
        file.truncate(1 << 40)  # takes no room on the disk
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(DataError, match=r"^x: more than 746 MB, .* 89478485 pixels.*; save it alone, as"):
        read_image(path, "x")
    with path.open("rb") as file:
        assert peak_of(file, "x") is None  # by its header
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 << 10
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    monkeypatch.setenv("ZSAD_MAX_PIXELS", "100")
    with pytest.raises(DataError, match=r"^x: more than 64 MB, .* 100 pixels takes \(ZSAD_MAX_PIXELS\)"):
        read_image(path, "x")


GREY = np.arange(256, dtype=np.uint16).reshape(16, 16)
COLOUR = np.stack([GREY, GREY[::-1], GREY.T], axis=2)


def stored(values: np.ndarray[Any, Any], fmt: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, fmt)
    return buffer.getvalue()


def png16(values: np.ndarray[Any, Any], kind: int = 2) -> bytes:
    """A PNG of 16-bit RGB (2) or grey with transparency (4), (H, W, channels), which Pillow cannot write."""
    height, width = values.shape[:2]

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def planar(values: np.ndarray[Any, Any]) -> bytes:
    """An uncompressed RGB TIFF, (H, W, 3), one plane behind the other, little-endian."""
    height, width, planes = values.shape
    size = height * width * values.itemsize
    body = b"".join(np.ascontiguousarray(values[..., plane]).tobytes() for plane in range(planes))
    starts = [8 + size * plane for plane in range(planes)]
    tables = struct.pack("<3H2x3I3I", *[8 * values.itemsize] * 3, *starts, *[size] * 3)
    behind = 8 + len(body)
    entries = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 3, behind), (259, 3, 1, 1), (262, 3, 1, 2)]
    entries += [(273, 4, 3, behind + 8), (277, 3, 1, 3), (278, 4, 1, height), (279, 4, 3, behind + 20)]
    table = b"".join(struct.pack("<HHII", *entry) for entry in [*entries, (284, 3, 1, 2)])
    start = struct.pack("<2sHI", b"II", 42, behind + len(tables))
    return start + body + tables + struct.pack("<H", len(entries) + 1) + table + bytes(4)


def tiff(values: np.ndarray[Any, Any], kind: str, white: int = 1) -> bytes:
    """An uncompressed grey TIFF, (H, W), of a kind that Pillow does not write."""
    height, width = values.shape
    stored = np.dtype(kind)
    body = values.astype(stored).tobytes()
    entries = [(256, width), (257, height), (258, 8 * stored.itemsize), (259, 1), (262, white)]
    entries += [(273, 8), (277, 1), (278, height), (279, len(body)), (339, {"u": 1, "i": 2}[stored.kind])]
    order = "<" if kind[0] == "<" else ">"
    table = b"".join(struct.pack(f"{order}HHII", tag, 4, 1, value) for tag, value in entries)
    start = struct.pack(f"{order}2sHI", b"II" if order == "<" else b"MM", 42, 8 + len(body))
    return start + body + struct.pack(f"{order}H", len(entries)) + table + bytes(4)


@pytest.mark.parametrize("fmt", ["PNG", "TIFF"])
def test_16_bits_are_their_8_bit_twin(fmt: str) -> None:
    assert np.array_equal(np.asarray(decode(stored(GREY * 257, fmt), "x")), GREY)


def test_16_bit_colours_are_their_8_bit_twin() -> None:
    assert np.array_equal(np.asarray(decode(png16(COLOUR * 257), "x")), COLOUR)
    assert np.array_equal(
        np.asarray(decode(png16(COLOUR * 16), "x", 12)), (COLOUR.astype(int) * 16 * 255 + 2047) // 4095
    )


@pytest.mark.parametrize("fmt", ["PNG", "TIFF"])
def test_a_stated_bit_depth_scales_to_its_own_white(fmt: str) -> None:
    twelve = GREY * 16 + GREY // 16  # 0 to 4095
    assert np.array_equal(np.asarray(decode(stored(twelve, fmt), "x", 12)), GREY)
    with pytest.raises(DataError, match=r"x: 16 bits, but its largest value is 4095.*bit_depth: 12"):
        decode(stored(twelve, fmt), "x")
    assert np.asarray(decode(stored(twelve, fmt), "x", 16)).max() == 16
    with pytest.raises(DataError, match=r"x: .* is 65535, beyond the bit depth of 12; state 16"):
        decode(stored(GREY * 257, fmt), "x", 12)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((GREY / 255).astype(np.float32), "fractions"),
        (GREY.astype(np.int32) * 1000, "beyond 16 bits"),
        (GREY.astype(np.int32) - 5, "beyond 16 bits"),
    ],
)
def test_values_without_a_known_white_are_refused(values: np.ndarray[Any, Any], message: str) -> None:
    with pytest.raises(DataError, match=f"^x: .*{message}"):
        decode(stored(values, "TIFF"), "x")


@pytest.mark.parametrize("order", ["<", ">"])
def test_signed_16_bits_have_white_at_32767(order: str) -> None:
    content = tiff(GREY.astype(int) * 32767 // 255, f"{order}i2")
    assert np.abs(np.asarray(decode(content, "x")).astype(int) - GREY).max() <= 1
    with pytest.raises(DataError, match="beyond 16 bits"):
        decode(tiff(GREY.astype(int) - 100, f"{order}i2"), "x")


def test_16_bits_with_white_at_0_are_refused_and_8_are_turned() -> None:
    assert np.array_equal(np.asarray(decode(tiff(255 - GREY, "<u1", white=0), "x")), GREY)
    with pytest.raises(DataError, match="white is 0"):
        decode(tiff(GREY * 257, "<u2", white=0), "x")


def test_peaks_are_of_16_bits_only() -> None:
    assert peak_of(io.BytesIO(stored(GREY * 16)), "x") == 4080
    assert peak_of(io.BytesIO(png16(COLOUR * 257)), "x") == 65535
    assert peak_of(io.BytesIO(stored(GREY.astype(np.uint8))), "x") is None
    with pytest.raises(DataError, match="x: an empty file"):
        peak_of(io.BytesIO(), "x")


@pytest.mark.parametrize(("tag", "found"), [(6, 6), (1, 1), (0, 1), (9, 1)])
def test_an_orientation_that_says_nothing_is_upright(tag: int, found: int) -> None:
    buffer, exif = io.BytesIO(), Image.Exif()
    exif[274] = tag
    Image.new("L", (4, 4)).save(buffer, "WEBP", exif=exif)
    assert orientation_of(decode(buffer.getvalue(), "x")) == found
    damaged = buffer.getvalue().replace(b"MM\0*", b"MM\0^")
    assert orientation_of(decode(damaged, "x")) == 1


def test_16_bits_that_are_not_read_are_refused_with_a_way_out() -> None:
    with pytest.raises(DataError, match=r"x: RGBA of more than 8 bits.*save it as a PNG of RGB or grey"):
        decode(png16(np.stack([GREY * 257, GREY * 257], axis=2), kind=4), "x")
    with pytest.raises(DataError, match=r"x: RGB of more than 8 bits.*save it as a PNG of RGB or grey"):
        decode(planar(COLOUR * 257), "x")
    assert np.array_equal(np.asarray(decode(planar(COLOUR.astype(np.uint8)), "x")), COLOUR)


def test_a_stack_and_a_picture_that_cannot_be_seen_are_refused() -> None:
    buffer = io.BytesIO()
    pages = [Image.new("L", (4, 4), grey) for grey in (1, 2, 3)]
    pages[0].save(buffer, "TIFF", save_all=True, append_images=pages[1:])
    with pytest.raises(DataError, match="x: holds 3 pictures"):
        decode(buffer.getvalue(), "x")
    with pytest.raises(DataError, match="x: every pixel is transparent"):
        decode(stored(np.zeros((4, 4, 4), np.uint8)), "x")
    buffer = io.BytesIO()
    Image.new("LAB", (4, 4)).save(buffer, "TIFF")
    with pytest.raises(DataError, match="x: its colours are LAB"):
        decode(buffer.getvalue(), "x")
