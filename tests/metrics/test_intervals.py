"""Intervals of metrics: at the ceiling, where nothing can be told, and how often they hold the truth."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from pipeline.metrics import (
    ImageMetrics,
    Interval,
    PixelState,
    curves,
    image_intervals,
    image_metrics,
    pixel_intervals,
)
from pipeline.metrics.curves import PIXEL_METRICS
from pipeline.metrics.intervals import _ends, _folded

from .reference import draw_masks, smooth_maps

RNG = np.random.default_rng(11)
AUROC = "image_auroc"


def intervals(labels: Any, scores: Any) -> dict[str, Interval]:
    return image_intervals(labels, scores, image_metrics(labels, scores))


def sample(normal: int, anomalous: int, shift: float) -> dict[str, Interval]:
    """Intervals of scores that do not tie; values by our curves, which scikit-learn's equal."""
    labels = np.repeat([0, 1], [normal, anomalous])
    scores = RNG.normal(shift * labels)
    truth = labels[np.argsort(-scores)]
    fp, tp = (np.append(0, np.cumsum(truth == label)) for label in (0, 1))
    values = (curve(fp, tp) for curve in (curves.auroc, curves.average_precision, curves.f1_max))
    return image_intervals(labels, scores, ImageMetrics(*map(float, values)))


@pytest.mark.parametrize("counts", [(20, 60), (2, 2), (200, 300)])
def test_perfect_separation_is_not_certain(counts: tuple[int, int]) -> None:
    labels = np.repeat([0, 1], counts)
    for found in intervals(labels, labels + RNG.uniform(0, 0.5, labels.size)).values():
        assert found.low < found.high == 1
        assert found.error == pytest.approx((1 - found.low) / 3.92, rel=1e-3)
    few, many = (intervals(np.repeat([0, 1], size), np.repeat([0.0, 1], size))[AUROC].low for size in (5, 50))
    assert few < many < 1


def test_a_pair_out_of_order_says_more_than_none() -> None:
    """The more pairs are out of order, the lower are both ends."""
    labels = np.repeat([0, 1], [20, 60])
    scores = np.arange(80.0)
    found = [intervals(labels, scores)[AUROC]]
    for place in range(1, 8):
        scores[20 - place], scores[19 + place] = scores[19 + place], scores[20 - place]
        found.append(intervals(labels, scores)[AUROC])
    for before, after in pairwise(found):
        assert after.low <= before.low
        assert after.high <= before.high
        assert after.error > 0.97 * before.error
    assert found[-1].low < found[1].low


def test_every_pair_out_of_order() -> None:
    labels = np.repeat([0, 1], [20, 60])
    right, wrong = (intervals(labels, sign * np.arange(80.0)) for sign in (1, -1))
    assert wrong[AUROC].low == 0
    assert wrong[AUROC].high == pytest.approx(1 - right[AUROC].low)
    assert all(found.error > 0 for found in wrong.values())


def test_equal_scores_have_a_spread() -> None:
    for found in intervals(np.repeat([0, 1], [20, 60]), np.zeros(80)).values():
        assert found.low < found.high
        assert found.error > 0


@pytest.mark.parametrize("labels", [[0, 1], [0, 1, 1, 1], [0, 0, 0, 1], [1, 1], [0]])
def test_one_image_says_nothing_of_others(labels: list[int]) -> None:
    assert intervals(labels, np.arange(len(labels))) == {}


def test_any_increasing_function_of_the_scores_leaves_them() -> None:
    labels = np.repeat([0, 1], [12, 30])
    scores = RNG.normal(labels)
    assert intervals(labels, scores) == intervals(labels, np.exp(3 * scores))


def test_more_images_are_surer() -> None:
    for name, small in sample(10, 30, 1.5).items():
        large = sample(1000, 3000, 1.5)[name]
        assert large.error == pytest.approx(small.error / 10, rel=0.6)


def test_ends_are_as_far_on_the_folded_scale() -> None:
    """Far from both ends that is the plain interval, near the ceiling it leans down."""
    assert _ends(0.5, 0.002) == pytest.approx((0.498, 0.502), abs=1e-5)
    low, high = _ends(0.99, 0.02)
    assert 0.99 - low > 1.5 * (high - 0.99)
    slope = 0.99**-0.75 + 0.01**-0.75
    assert _folded(low) == pytest.approx(_folded(0.99) - 0.02 * slope, abs=3e-3)
    assert high <= 1
    assert _ends(0.01, 0.02) == pytest.approx((1 - high, 1 - low))


def state(count: int, rng: np.random.Generator) -> PixelState:
    masks = np.concatenate([draw_masks(rng) for _ in range(count)])
    found = PixelState()
    found.update(smooth_maps(rng, masks), masks)
    return found


def test_pixel_intervals() -> None:
    found = state(3, np.random.default_rng(2))
    values = found.finish()
    intervals_of = pixel_intervals(found.sketches, values)
    assert set(intervals_of) == set(PIXEL_METRICS)
    for name, it in intervals_of.items():
        assert 0 <= it.low < getattr(values, name) < it.high <= 1
        assert it.high - it.low == pytest.approx(2 * 2 * it.error, rel=0.3)


def test_no_pixel_interval_where_one_image_speaks_for_others() -> None:
    masks = np.zeros((3, 8, 8), np.uint8)
    masks[2:, 2:5, 3:6] = 1
    single = PixelState()
    single.update(RNG.random((3, 8, 8)).astype(np.float32), masks)
    assert pixel_intervals(single.sketches, single.finish()) == {}


def test_maps_that_are_all_right_are_not_certain() -> None:
    masks = np.zeros((4, 8, 8), np.uint8)
    masks[2:, 2:5, 3:6] = 1
    perfect = PixelState()
    perfect.update(masks.astype(np.float32), masks)
    for found in pixel_intervals(perfect.sketches, perfect.finish()).values():
        assert found.error > 0
        assert found.low < found.high == 1


def test_images_without_normal_ones() -> None:
    rng = np.random.default_rng(5)
    masks = draw_masks(rng)
    chosen = masks[masks.any((1, 2))]
    found = PixelState()
    found.update(smooth_maps(rng, masks)[masks.any((1, 2))], chosen)
    assert set(pixel_intervals(found.sketches, found.finish())) == set(PIXEL_METRICS)


@pytest.mark.parametrize(
    ("normal", "anomalous", "auroc", "shift"), [(20, 60, 0.98, 2.9044), (5, 20, 0.95, 2.3262)]
)
def test_coverage_near_the_ceiling(normal: int, anomalous: int, auroc: float, shift: float) -> None:
    """A bootstrap held the truth in .85 and .79 of such samples. 300 samples: a noise of 1.3 points."""
    found = [sample(normal, anomalous, shift)[AUROC] for _ in range(300)]
    held = np.mean([it.low <= auroc <= it.high for it in found])
    assert held >= 0.91
    # Widths of the interval that knows the spread of AUROC: 0.056 and 0.20.
    assert np.mean([it.high - it.low for it in found]) < 1.25 * {0.98: 0.056, 0.95: 0.20}[auroc]
    assert min(it.error for it in found) > 0.001
