"""Sketches keep totals exactly and every share of an image's pixels closely."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from pipeline.metrics import PixelState
from pipeline.metrics.arrays import score_keys
from pipeline.metrics.regions import WEIGHT_BITS
from pipeline.metrics.sketch import ImageSketch

from .reference import Maps, Masks

RNG = np.random.default_rng(0)
MAP: Maps = gaussian_filter(RNG.normal(size=(210, 200)), 3).astype(np.float32)
MASK: Masks = gaussian_filter(RNG.normal(size=(210, 200)), 5) > 0.05


def state_of(mask: Masks) -> PixelState:
    state = PixelState()
    state.update(MAP[None], mask[None], ["a.png"])
    return state


def sketch_of(mask: Masks) -> ImageSketch:
    return state_of(mask).sketches[0]


def test_totals_are_exact() -> None:
    sketch = sketch_of(MASK)
    assert (sketch.name, sketch.low, sketch.high) == ("a.png", MAP.min(), MAP.max())
    assert (sketch.normals, sketch.hits.sum()) == ((~MASK).sum(), MASK.sum())
    assert sketch.cover.sum() == state_of(MASK).finish().n_regions << WEIGHT_BITS


def test_shares_of_pixels_are_kept() -> None:
    sketch = sketch_of(MASK)
    for share in (0.1, 0.5, 0.9, 0.99):
        limit = score_keys(np.array([np.quantile(MAP[~MASK], share)], np.float32))
        assert (sketch.normal_keys <= limit).mean() == pytest.approx(share, abs=0.02)
        limit = score_keys(np.array([np.quantile(MAP[MASK], share)], np.float32))
        assert sketch.hits[sketch.hit_keys <= limit].sum() / MASK.sum() == pytest.approx(share, abs=0.02)


def test_images_of_one_kind_of_pixel() -> None:
    normal, whole = sketch_of(np.zeros_like(MASK)), sketch_of(np.ones_like(MASK))
    assert (normal.normals, normal.hits.size, normal.cover.size) == (MAP.size, 0, 0)
    assert (whole.normals, whole.normal_keys.size, whole.hits.sum()) == (0, 0, MAP.size)


def test_a_lone_normal_pixel_is_not_missed() -> None:
    mask = np.ones_like(MASK)
    mask[100, 101] = False
    assert list(sketch_of(mask).normal_keys) == list(score_keys(MAP[100, 101:102]))
