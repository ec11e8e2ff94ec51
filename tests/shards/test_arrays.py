from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pipeline.catalog import Sample
from pipeline.errors import DataError
from pipeline.shards.arrays import check_pair, image_array, mask_bits

WHOLE = Sample("all", "a.png", "m.png", 1, "defect")


@given(st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_bits_come_back_for_any_size(size: int, seed: int) -> None:
    defect = np.random.default_rng(seed).random((size, size)) < 0.3
    mask = Image.fromarray(defect.astype(np.uint8) * 255)
    bits = mask_bits(mask, size)  # no resize at equal size
    assert len(bits) == -(-size * size // 8)
    assert np.array_equal(np.unpackbits(bits, count=size * size).reshape(size, size), defect)


def test_exactly_half_of_a_pixel_is_not_defect() -> None:
    """Two columns, one of them defect, meet in one pixel: 127.5 rounds to 128, which is above one half."""
    column = Image.fromarray(np.array([[0, 255]] * 2, np.uint8))
    resized = np.array(column.resize((1, 1), Image.Resampling.BILINEAR))
    assert np.unpackbits(mask_bits(column, 1), count=1)[0] == (resized[0, 0] / 255 > 0.5)


def test_a_one_pixel_defect_may_vanish() -> None:
    pixels = np.zeros((256, 256), np.uint8)
    pixels[100, 100] = 255
    assert not mask_bits(Image.fromarray(pixels), 64).any()


def test_aspect_ratio_is_not_kept() -> None:
    wide = Image.new("RGB", (40, 10), (200, 100, 50))
    assert (image_array(wide, 16) == (200, 100, 50)).all()
    assert image_array(wide, 16).shape == (16, 16, 3)


def test_already_at_size_is_untouched() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    assert np.array_equal(image_array(Image.fromarray(pixels), 24), pixels)


def test_a_mask_of_another_shape_is_refused_and_one_of_another_size_taken() -> None:
    check_pair(WHOLE, (128, 64), "m.png", (64, 32))
    check_pair(WHOLE, (1001, 500), "m.png", (500, 250))
    with pytest.raises(DataError, match=r"m\.png: 64 x 128 pixels, while its image a\.png has 128 x 64"):
        check_pair(WHOLE, (128, 64), "m.png", (64, 128))


def test_a_published_pair_may_be_out_of_proportion_but_not_turned() -> None:
    """The official code stretches both to a square; a turned mask it would read all the same."""
    check_pair(WHOLE, (128, 64), "m.png", (128, 70), own=False)
    with pytest.raises(DataError, match=r"m\.png: 128 x 70 pixels"):
        check_pair(WHOLE, (128, 64), "m.png", (128, 70))
    for size in ((64, 128), (32, 64)):
        with pytest.raises(DataError, match="turn or cut"):
            check_pair(WHOLE, (128, 64), "m.png", size, own=False)


def test_a_piece_is_cut_out_of_masks_of_the_same_size_only() -> None:
    piece = replace(WHOLE, crop=(0, 0, 32, 32))
    check_pair(piece, (128, 64), "m.png", (128, 64))
    with pytest.raises(DataError, match=r"m\.png: 64 x 32 pixels, while its image a\.png has 128 x 64"):
        check_pair(piece, (128, 64), "m.png", (64, 32))
