"""Regions against a flood fill, and the exactness of the integer weights."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline.metrics import label_masks
from pipeline.metrics.regions import WEIGHT_BITS, region_weights

from .reference import Masks, draw_masks, flood_regions


@settings(max_examples=60, deadline=None)
@given(arrays(np.bool_, st.tuples(st.integers(1, 9), st.integers(1, 9))))
def test_regions_are_8_connected_components(mask: Masks) -> None:
    (image,) = label_masks(mask[None])
    rows, columns = np.divmod(image.pixels, mask.shape[1])
    got = {
        frozenset(zip(rows[image.region == region], columns[image.region == region], strict=True))
        for region in range(len(image.areas))
    }
    assert got == {frozenset(region) for region in flood_regions(mask)}
    assert list(image.areas) == [
        np.count_nonzero(image.region == region) for region in range(len(image.areas))
    ]


def test_pixels_that_touch_at_a_corner_are_one_region_and_images_do_not_connect() -> None:
    corner = np.eye(4, dtype=np.uint8)
    whole = np.ones((4, 4), np.uint8)
    assert [len(image.areas) for image in label_masks(np.stack([corner, whole, corner * 0]))] == [
        1,
        1,
        0,
    ]


@pytest.mark.parametrize("share", [0.01, 0.3, 1.0])
def test_partial_sums_of_weights_are_shares_of_regions(share: float) -> None:
    """From the highest score down, at every threshold, each region is off by less than 2^-38."""
    rng = np.random.default_rng(1)
    (image,) = label_masks(draw_masks(rng, share)[1:2])
    keys = rng.integers(0, 50, image.pixels.size).astype(np.uint32)
    sorted_keys, weights = region_weights(keys, image)
    assert weights.sum() == len(image.areas) << WEIGHT_BITS
    for threshold in range(51):
        want = sum((keys[image.region == r] >= threshold).mean() for r in range(len(image.areas)))
        got = weights[sorted_keys >= threshold].sum() / 2**WEIGHT_BITS
        assert abs(got - want) <= len(image.areas) * 2.0**-WEIGHT_BITS + 1e-15
