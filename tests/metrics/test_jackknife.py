"""Values without some images: against recomputing from the images that are left, and variances by hand."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.metrics import LeftOut, PixelMetrics, PixelState, image_metrics, image_series
from pipeline.metrics.curves import PIXEL_METRICS
from pipeline.metrics.jackknife import _interpolate, _samples, pixel_series

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


def whole(series: LeftOut) -> NDArray[np.float64]:
    """The values in the order of `_samples`."""
    return np.concatenate(series)


def test_image_values_are_the_metrics_of_the_images_that_are_left() -> None:
    labels = np.repeat([0, 1], [9, 14])
    scores = np.round(RNG.normal(labels), 1)
    series = image_series(labels, scores)
    samples = _samples(labels == 1)
    assert samples.shape == (23, 23)
    for index, kept in enumerate(samples == 1):
        want = image_metrics(labels[kept], scores[kept])
        for name, found in series.items():
            assert whole(found)[index] == pytest.approx(getattr(want, name), abs=1e-12), name
    assert [len(part) for part in series["image_ap"]] == [9, 14]


def test_the_variance_of_auroc_is_that_of_placement_values() -> None:
    """DeLong, DeLong and Clarke-Pearson 1988, with scores that tie."""
    labels = np.repeat([0, 1], [9, 14])
    scores = np.round(RNG.normal(labels), 1)
    normal, anomalous = scores[labels == 0], scores[labels == 1]
    wins = (anomalous[:, None] > normal) + 0.5 * (anomalous[:, None] == normal)
    want = wins.mean(0).var(ddof=1) / 9 + wins.mean(1).var(ddof=1) / 14
    assert image_series(labels, scores)["image_auroc"].variance == pytest.approx(want, rel=1e-9)


def test_pixel_values_are_close_to_the_metrics_of_the_images_that_are_left() -> None:
    series = pixel_series(STATE.sketches, STATE.finish())
    for index, kept in enumerate(_samples(np.asarray(MASKS.any((1, 2)))) == 1):
        want = state_of([int(image) for image in np.flatnonzero(kept)]).finish()
        for name in PIXEL_METRICS:
            close = 0.01 if name == "pixel_pro" else 0.005
            assert whole(series[name])[index] == pytest.approx(getattr(want, name), abs=close), name


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


def test_images_that_sketches_hold_whole_are_exact() -> None:
    state = PixelState()
    state.update(FEW, FEW_MASKS, NAMES[:8])
    values = state.finish()
    assert values.pixel_pro is not None
    series = pixel_series(state.sketches, values)
    for index, kept in enumerate(_samples(np.asarray(FEW_MASKS.any((1, 2)))) == 1):
        order = np.flatnonzero(kept)
        drawn = PixelState()
        drawn.update(FEW[order], FEW_MASKS[order])
        for name in set(PIXEL_METRICS) - {"pixel_pro"}:
            assert whole(series[name])[index] == pytest.approx(getattr(drawn.finish(), name), abs=1e-12), name
        moved = interpolated_pro(FEW[order], FEW_MASKS[order]) - interpolated_pro(FEW, FEW_MASKS)
        assert whole(series["pixel_pro"])[index] == pytest.approx(values.pixel_pro + moved, abs=1e-6)


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
        for name, series in pixel_series(STATE.sketches, moved).items():
            assert whole(series).min() >= 0, name
            assert whole(series).max() <= 1, name
            assert np.any(whole(series) == end), name


@pytest.mark.parametrize("kind", ["narrow", "8 bit", "six levels", "skewed", "wild", "outlier"])
def test_sketches_follow_any_scale(kind: str) -> None:
    maps, masks = catalogue()[kind]
    state = PixelState()
    state.update(maps, masks)
    values = state.finish()
    for name, series in pixel_series(state.sketches, values).items():
        assert abs(np.median(whole(series)) - getattr(values, name)) < 0.1, name


def test_beyond_a_hundred_images_of_a_class_they_go_in_groups() -> None:
    samples = _samples(np.arange(330) < 250)
    left = (samples == 0).sum(1)
    assert left.tolist() == [1] * 80 + [3] * 50 + [2] * 50
    assert ((samples == 0).sum(0) == 1).all()
    assert (samples[:80, :250] == 1).all()  # normal images first
    # Neighbours, such as the images of one kind of defect, are spread over groups.
    assert np.abs(np.diff(np.flatnonzero(samples[80] == 0))).max() > 1


def test_groups_give_the_variance_of_single_images() -> None:
    rng = np.random.default_rng(4)
    labels = np.repeat([0, 1], [400, 900])
    scores = rng.normal(1.5 * labels)
    normal, anomalous = scores[labels == 0], scores[labels == 1]
    wins = anomalous[:, None] > normal
    want = wins.mean(0).var(ddof=1) / 400 + wins.mean(1).var(ddof=1) / 900
    assert image_series(labels, scores)["image_auroc"].variance == pytest.approx(want, rel=0.3)


def test_variance_by_hand() -> None:
    """Two of one class: (1 / 2) (0.1^2 + 0.1^2); three of the other: (2 / 3) (0.1^2 + 0 + 0.1^2)."""
    series = LeftOut(np.array([0.4, 0.6]), np.array([0.4, 0.5, 0.6]))
    assert series.variance == pytest.approx(0.01 + 0.04 / 3)
    assert LeftOut(np.zeros(0), np.array([0.4, 0.5, 0.6])).variance == pytest.approx(0.04 / 3)


def test_what_has_no_variance() -> None:
    """One image that stands for its class, a value that is undefined without an image, no image at all."""
    assert image_series([0, 1, 1], [0.1, 0.3, 0.2])["image_ap"].variance is None
    state = state_of([0, 1])
    assert {it.variance for it in pixel_series(state.sketches, state.finish()).values()} == {None}
    assert LeftOut(np.array([0.5, np.nan]), np.array([0.5, 0.6])).variance is None
    assert LeftOut(np.zeros(0), np.zeros(0)).variance is None


def test_same_series_whatever_the_order_of_images() -> None:
    shuffled = state_of([int(image) for image in RNG.permutation(len(MAPS))])
    first, second = (pixel_series(it.sketches, it.finish()) for it in (STATE, shuffled))
    for name in PIXEL_METRICS:
        assert np.array_equal(whole(first[name]), whole(second[name]))


@pytest.mark.parametrize("size", ["_IMAGES", "_IMAGE_SAMPLES", "_PIXEL_SAMPLES"])
def test_how_many_are_worked_on_at_a_time_changes_nothing(monkeypatch: pytest.MonkeyPatch, size: str) -> None:
    def every() -> dict[str, LeftOut]:
        labels = MASKS.any((1, 2)).astype(int)
        return pixel_series(STATE.sketches, STATE.finish()) | image_series(labels, MAPS.max((1, 2)))

    at_once = every()
    monkeypatch.setattr(f"pipeline.metrics.jackknife.{size}", 3)
    for name, series in every().items():
        assert whole(series) == pytest.approx(whole(at_once[name]), abs=1e-12), name


def test_undefined_metrics_have_no_series() -> None:
    nothing = PixelMetrics(None, None, None, None, None, None, 0, 0, None)
    assert pixel_series([], nothing) == {}
    assert image_series([1, 1], [0.1, 0.2]) == {}
    state = PixelState()
    state.update(np.full_like(MAPS, 0.5), MASKS)
    assert set(pixel_series(state.sketches, state.finish())) == set(PIXEL_METRICS) - {"pixel_pro"}
