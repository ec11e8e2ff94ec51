"""Bootstrap over images: against recomputing from the redrawn images themselves."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pipeline.metrics import (
    PixelMetrics,
    PixelState,
    image_draws,
    image_metrics,
    interval,
    pixel_draws,
    standard_error,
)
from pipeline.metrics.curves import PIXEL_METRICS
from pipeline.metrics.draws import _interpolate, _multiplicities

from .reference import Maps, Masks, catalogue, draw_masks, flood_regions, smooth_maps

RNG = np.random.default_rng(3)
MASKS = np.concatenate([draw_masks(RNG) for _ in range(4)])
MAPS = smooth_maps(RNG, MASKS)
NAMES = [f"{index:02}.png" for index in range(len(MAPS))]


def state_of(order: list[int]) -> PixelState:
    state = PixelState()
    state.update(MAPS[order], MASKS[order], [NAMES[index] for index in order])
    return state


STATE = state_of(list(range(len(MAPS))))


def test_image_draws_are_the_metrics_of_the_drawn_images() -> None:
    labels = np.repeat([0, 1], [9, 14])
    scores = np.round(RNG.normal(labels), 1)
    draws = image_draws(labels, scores, draws=20, seed=5)
    for index, counts in enumerate(_multiplicities(labels == 1, 20, 5).astype(int)):
        want = image_metrics(np.repeat(labels, counts), np.repeat(scores, counts))
        assert draws["image_auroc"][index] == pytest.approx(want.image_auroc, abs=1e-12)
        assert draws["image_ap"][index] == pytest.approx(want.image_ap, abs=1e-12)
        assert draws["image_f1_max"][index] == pytest.approx(want.image_f1_max, abs=1e-12)


def test_pixel_draws_are_close_to_the_metrics_of_the_drawn_images() -> None:
    draws = pixel_draws(STATE.sketches, STATE.finish(), draws=15, seed=5)
    for index, counts in enumerate(_multiplicities(np.asarray(MASKS.any((1, 2))), 15, 5).astype(int)):
        order = [int(image) for image in np.repeat(np.arange(len(MAPS)), counts)]
        want = state_of(order).finish()
        for name in PIXEL_METRICS:
            close = 0.01 if name == "pixel_pro" else 0.005
            assert draws[name][index] == pytest.approx(getattr(want, name), abs=close), name


# Eight images of 4 x 8 pixels with few scores: sketches hold every pixel, every score has a row of its own.
FEW = np.random.default_rng(8).integers(0, 7, (8, 4, 8)).astype(np.float32)
FEW_MASKS = FEW + np.random.default_rng(9).normal(size=FEW.shape) > 5
FEW_MASKS[:3] = False
FEW_MASKS[3] = True
FEW_MASKS[3, 2, 4] = False  # an image with a single normal pixel
FEW[0, 0, 0], FEW[5, 0, 0] = -3, 11  # the ends of the thresholds, where these images are drawn


def interpolated_pro(maps: Maps, masks: Masks) -> float:
    """The paper's PRO of the curve through all scores of `FEW`, straight between them."""
    levels = np.unique(FEW)
    covered = [
        maps[image][tuple(np.transpose(pixels))][:, None] >= levels
        for image, mask in enumerate(masks)
        for pixels in flood_regions(mask)
    ]
    fpr = (maps[~masks][:, None] >= levels).mean(0)
    coverage = np.mean([region.mean(0) for region in covered], 0)
    thresholds = np.arange(maps.min(), maps.max(), (maps.max() - maps.min()) / 200)
    x, y = (np.interp(thresholds, levels, share) for share in (fpr, coverage))
    kept = x < 0.3
    return float(-np.trapezoid(y[kept], x[kept]) / np.ptp(x[kept]))


def test_draws_of_images_that_sketches_hold_whole_are_exact() -> None:
    state = PixelState()
    state.update(FEW, FEW_MASKS, NAMES[:8])
    values = state.finish()
    assert values.pixel_pro is not None
    draws = pixel_draws(state.sketches, values, draws=12, seed=5)
    for index, counts in enumerate(_multiplicities(np.asarray(FEW_MASKS.any((1, 2))), 12, 5).astype(int)):
        order = np.repeat(np.arange(8), counts)
        drawn = PixelState()
        drawn.update(FEW[order], FEW_MASKS[order])
        for name in set(PIXEL_METRICS) - {"pixel_pro"}:
            assert draws[name][index] == pytest.approx(getattr(drawn.finish(), name), abs=1e-12), name
        moved = interpolated_pro(FEW[order], FEW_MASKS[order]) - interpolated_pro(FEW, FEW_MASKS)
        assert draws["pixel_pro"][index] == pytest.approx(values.pixel_pro + moved, abs=1e-6)


def test_shares_are_straight_between_scores_and_end_with_the_last() -> None:
    """Rounding may put the paper's last threshold on the highest score, which is then there twice."""
    scores, shares = np.array([1, 2, 4, 4], np.float32), np.array([[1, 0.5, 0.25, 0], [1, 1, 0.5, 0]])
    got = _interpolate(np.array([1, 1.5, 2, 3, 4, 5]), scores, shares)
    assert got.tolist() == [[1, 0.75, 0.5, 0.375, 0, 0], [1, 1, 1, 0.75, 0, 0]]


def test_series_are_shares_however_far_they_are_shifted() -> None:
    values = STATE.finish()
    for end in (0.0, 1.0):
        shares: dict[str, Any] = dict.fromkeys(PIXEL_METRICS, end)
        moved = replace(values, **shares)
        for name, series in pixel_draws(STATE.sketches, moved, draws=20).items():
            assert series.min() >= 0, name
            assert series.max() <= 1, name
            assert np.any(series == end), name


def test_a_thousand_draws_of_seed_0_unless_asked_for() -> None:
    labels = np.repeat([0, 1], [5, 6])
    scores = RNG.normal(labels)
    for got, want in (
        (image_draws(labels, scores), image_draws(labels, scores, draws=1000, seed=0)),
        (
            pixel_draws(STATE.sketches, STATE.finish()),
            pixel_draws(STATE.sketches, STATE.finish(), draws=1000, seed=0),
        ),
    ):
        assert all(np.array_equal(got[name], want[name]) for name in want)


@pytest.mark.parametrize("kind", ["narrow", "8 bit", "six levels", "skewed", "wild", "outlier"])
def test_sketches_follow_any_scale(kind: str) -> None:
    maps, masks = catalogue()[kind]
    state = PixelState()
    state.update(maps, masks)
    values = state.finish()
    draws = pixel_draws(state.sketches, values, draws=200)
    for name in PIXEL_METRICS:
        assert draws[name].shape == (200,)
        bounds = interval(draws[name])
        assert bounds is not None
        assert 0 <= bounds[0] <= bounds[1] <= 1
        assert abs(np.median(draws[name]) - getattr(values, name)) < 0.1


def test_a_draw_that_is_the_sample_has_its_exact_values() -> None:
    """One normal and one anomalous image: there is no other draw."""
    state = state_of([0, 1])
    values = state.finish()
    for name, series in pixel_draws(state.sketches, values, draws=4).items():
        assert series == pytest.approx(getattr(values, name), abs=1e-12), name


def test_every_draw_keeps_both_classes_and_the_number_of_images() -> None:
    anomalous = np.array([True] + [False] * 9)
    counts = _multiplicities(anomalous, 50, 0)
    assert (counts.sum(1) == 10).all()
    assert (counts[:, 0] == 1).all()


def test_same_seed_same_series_whatever_the_order_of_images() -> None:
    order = [int(image) for image in RNG.permutation(len(MAPS))]
    shuffled = state_of(order)
    series = [pixel_draws(s.sketches, s.finish(), draws=5, seed=1) for s in (STATE, shuffled)]
    other = pixel_draws(STATE.sketches, STATE.finish(), draws=5, seed=2)
    for name in PIXEL_METRICS:
        assert np.array_equal(series[0][name], series[1][name])
        assert not np.array_equal(series[0][name], other[name])


@pytest.mark.parametrize("size", ["_IMAGES", "_IMAGE_DRAWS", "_PIXEL_DRAWS"])
def test_how_many_are_worked_on_at_a_time_changes_nothing(monkeypatch: pytest.MonkeyPatch, size: str) -> None:
    def every() -> dict[str, Any]:
        labels = MASKS.any((1, 2)).astype(int)
        pixels = pixel_draws(STATE.sketches, STATE.finish(), draws=10)
        return pixels | image_draws(labels, MAPS.max((1, 2)), draws=10)

    whole = every()
    monkeypatch.setattr(f"pipeline.metrics.draws.{size}", 3)
    for name, series in every().items():
        assert series == pytest.approx(whole[name], abs=1e-12), name


def test_undefined_metrics_have_no_series() -> None:
    nothing = PixelMetrics(None, None, None, None, None, None, 0, 0, None)
    assert pixel_draws([], nothing) == {}
    assert image_draws([1, 1], [0.1, 0.2]) == {}
    state = PixelState()
    state.update(np.full_like(MAPS, 0.5), MASKS)
    assert set(pixel_draws(state.sketches, state.finish(), draws=2)) == set(PIXEL_METRICS) - {"pixel_pro"}


def test_interval() -> None:
    assert interval(np.arange(1001.0)) == pytest.approx((25, 975))
    assert interval(np.array([0.5] * 97 + [np.nan] * 3)) == (0.5, 0.5)
    assert interval(np.array([0.5] * 95 + [np.nan] * 5)) == (0.5, 0.5)
    assert interval(np.array([0.5] * 94 + [np.nan] * 6)) is None
    assert interval(np.zeros(0)) is None


def test_standard_error() -> None:
    assert standard_error(np.array([1.0, 2.0, 3.0])) == pytest.approx(1.0)
    assert standard_error(np.array([0.5] * 97 + [np.nan] * 3)) == 0
    assert standard_error(np.array([0.5] * 90 + [np.nan] * 10)) is None
    assert standard_error(np.zeros(0)) is None
