"""Brackets hold the exact values however coarse the rows, and are as tight as they say."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.metrics import curves
from pipeline.metrics.arrays import Floats, Ints, Keys, key_scores, score_keys, threshold_keys
from pipeline.metrics.protocol import protocol_pro, protocol_thresholds
from pipeline.metrics.ranking import Ranking, group_hits
from pipeline.metrics.regions import WEIGHT_BITS, label_masks, region_weights
from tests.metrics.bounds import auroc_bracket, counted_brackets, pro_exact_bracket, protocol_bracket

from .reference import catalogue

KINDS = catalogue(1)


def rank(keys: Keys, hit_keys: Keys, weights: Ints, row_bits: int) -> Ranking:
    bits = np.uint32(row_bits)
    rows, counts = np.unique(keys >> bits << bits, return_counts=True)
    below = np.concatenate([[0], np.cumsum(counts)])
    return Ranking(rows, below, *group_hits(hit_keys >> bits << bits, weights), row_bits)


def values(ranking: Ranking, thresholds: Floats) -> dict[str, float]:
    curve = ranking.curve()
    points = ranking.above(threshold_keys(thresholds))
    pro, _, _ = protocol_pro(points.fp / ranking.negatives, points.cover / (ranking.regions << WEIGHT_BITS))
    return {
        "pixel_auroc": float(curves.auroc(curve.fp, curve.tp)),
        "pixel_ap": float(curves.average_precision(curve.fp, curve.tp)),
        "pixel_f1_max": float(curves.f1_max(curve.fp, curve.tp)),
        "pixel_pro_exact": float(curves.pro_exact(curve.fp, curve.cover)),
        "pixel_pro_exact_005": float(curves.pro_exact(curve.fp, curve.cover, 0.05)),
    } | ({} if pro is None else {"pixel_pro": pro})


def assert_bracketed(keys: Keys, hit_keys: Keys, weights: Ints, row_bits: int) -> None:
    low, high = key_scores(np.array([keys.min(), keys.max()]))
    thresholds = protocol_thresholds(low, high)
    exact = values(rank(keys, hit_keys, weights, 0), thresholds)
    counted = rank(keys, hit_keys, weights, row_bits)
    if not thresholds.size:
        return
    brackets = counted_brackets(counted, threshold_keys(thresholds))
    for truth in (exact, values(counted, thresholds)):
        for name, value in truth.items():
            assert brackets[name][0] - 1e-12 <= value <= brackets[name][1] + 1e-12, name


@pytest.mark.parametrize("row_bits", [4, 8, 12, 15, 18, 21, 24])
@pytest.mark.parametrize("kind", KINDS)
def test_any_width_of_rows(kind: str, row_bits: int) -> None:
    maps, masks = KINDS[kind]
    keys = [score_keys(scores.ravel()) for scores in maps]
    images = label_masks(masks)
    hits = [region_weights(part[image.pixels], image) for part, image in zip(keys, images, strict=True)]
    hit_keys, weights = (np.concatenate(part) for part in zip(*hits, strict=True))
    assert_bracketed(np.concatenate(keys), hit_keys, weights, row_bits)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.booleans(), st.floats(0, 8, width=16)), min_size=3, max_size=60),
    st.integers(10, 25),
)
def test_any_few_pixels(pixels: list[tuple[bool, float]], row_bits: int) -> None:
    truth = np.array([True, False, *(label for label, _ in pixels)])
    keys = score_keys(np.array([0.5, 0.25, *(score for _, score in pixels)], np.float32))
    weights = np.full(truth.sum(), 1 << WEIGHT_BITS)
    assert_bracketed(keys, keys[truth], weights, row_bits)


def test_auroc_is_off_by_less_than_half_the_largest_share_of_a_row() -> None:
    rng = np.random.default_rng(0)
    keys = score_keys(rng.random(20_000).astype(np.float32))
    counted = rank(keys, keys[:500], np.full(500, 1 << WEIGHT_BITS), 12)
    curve = counted.curve()
    low, high = auroc_bracket(curve)
    assert high - low <= (np.diff(curve.fp) / counted.negatives)[1::2].max()
    assert high - low < 1e-3


def one_hit_a_row(normals: list[int], place: int) -> tuple[Keys, Keys]:
    """Keys and anomalous keys of rows of 8 bits, the highest first: `normals` and one anomalous pixel each.

    Args:
        normals: normal pixels of each row.
        place: low bits of the anomalous pixels' keys; normal ones are at 100.
    """
    rows = np.arange(len(normals), 0, -1, dtype=np.uint32) << np.uint32(8)
    hit_keys = rows | np.uint32(place)
    return np.sort(np.concatenate([np.repeat(rows | np.uint32(100), normals), hit_keys])), hit_keys


NO_THRESHOLDS = np.zeros(0)


def test_brackets_end_at_the_best_and_at_the_worst_order_within_rows() -> None:
    """One region an anomalous pixel, and 0.3 of the normal pixels end with a row: no bracket is wider."""
    normals = [0, 3, 7, 20, 5, 25, 2, 38]
    weights = np.full(len(normals), 1 << WEIGHT_BITS)
    counted = rank(*one_hit_a_row(normals, 0), weights, 8)
    brackets = counted_brackets(counted, threshold_keys(NO_THRESHOLDS))
    worst, best = (values(rank(*one_hit_a_row(normals, at), weights, 0), NO_THRESHOLDS) for at in (0, 200))
    for name in ("pixel_auroc", "pixel_ap", "pixel_pro_exact"):
        assert brackets[name] == pytest.approx((worst[name], best[name]), abs=1e-12), name
    attained = values(counted, NO_THRESHOLDS)["pixel_f1_max"]
    assert brackets["pixel_f1_max"] == pytest.approx((attained, best["pixel_f1_max"]), abs=1e-12)
    assert brackets["pixel_pro"] == (0, 1)


def test_average_precision_of_rows_with_several_anomalous_pixels() -> None:
    """Two rows, from the top: 2 anomalous and 3 normal pixels, then 3 anomalous and 5 normal ones."""
    keys = np.repeat(np.array([0, 256], np.uint32), (8, 5))
    counted = rank(keys, np.repeat(keys[[0, -1]], (3, 2)), np.full(5, 1 << WEIGHT_BITS), 8)
    low, high = counted_brackets(counted, threshold_keys(NO_THRESHOLDS))["pixel_ap"]
    assert low == pytest.approx(2 / 5 * (1 / 4 + 2 / 5) / 2 + 3 / 5 * (3 / 11 + 5 / 13) / 2)
    assert high == pytest.approx(2 / 5 * 2 / 2 + 3 / 5 * 5 / 8)


def test_the_row_that_the_limit_cuts_counts_whole() -> None:
    """Four equal rows: the second one is cut after a fifth of its normal pixels."""
    counted = rank(*one_hit_a_row([25] * 4, 0), np.full(4, 1 << WEIGHT_BITS), 8)
    low, high = pro_exact_bracket(counted.curve())
    assert (low + high) / 2 == pytest.approx(0.15)
    assert (high - low) / 2 == pytest.approx((0.25 * 0.25 / 2 + 0.05 * 0.25) / 0.3)


def test_values_are_bracketed_within_0_and_1() -> None:
    counted = rank(*one_hit_a_row([10], 0), np.full(1, 1 << WEIGHT_BITS), 8)
    assert pro_exact_bracket(counted.curve()) == (0, 1)
    fpr, coverage = np.array([0.25, 0.1]), np.array([0.9, 0.8])
    low, high = protocol_bracket((fpr, fpr + 0.04), (coverage, coverage + 0.1))
    assert low == pytest.approx(0.85 - 8 / 11)
    assert high == 1


# FPR and coverage at the paper's thresholds, by hand: the first threshold is never below the limit.
FPR, COVERAGE = np.array([0.9, 0.29, 0.2, 0.1]), np.array([1.0, 0.9, 0.6, 0.5])


def test_paper_pro_is_certain_but_for_coverage_when_every_fpr_is() -> None:
    low, high = protocol_bracket((FPR, FPR), (COVERAGE - 0.1, COVERAGE))
    assert low == pytest.approx(protocol_pro(FPR, COVERAGE - 0.1)[0])
    assert high == pytest.approx(protocol_pro(FPR, COVERAGE)[0])


def test_paper_pro_is_off_by_the_bound_on_uncertain_fprs() -> None:
    width = 0.005
    value, error = protocol_pro(FPR, COVERAGE)[0], 2 * width / (0.29 - 0.1 - width)
    assert value is not None
    wider = FPR + np.array([0.05, width, width / 2, 0])
    assert protocol_bracket((FPR, wider), (COVERAGE, COVERAGE)) == pytest.approx(
        (value - error, value + error)
    )


def test_paper_pro_covers_both_choices_where_the_limit_falls_inside_a_row() -> None:
    width = 0.015  # the second threshold is kept at 0.29 and not at 0.305
    choices = []
    for kept in (FPR[1:], FPR[2:]):
        value, error = protocol_pro(kept, COVERAGE[-kept.size :])[0], 2 * width / (kept[0] - 0.1 - width)
        assert value is not None
        choices += [value - error, value + error]
    wider = FPR + np.array([0, width, width, 0])
    got = protocol_bracket((FPR, wider), (COVERAGE, COVERAGE))
    assert got == pytest.approx((min(choices), max(choices)))


@pytest.mark.parametrize(
    ("lowest", "highest"),
    [
        ([0.4, 0.2], [0.5, 0.3]),  # no threshold is below the limit for sure
        ([0.4, 0.2, 0.1], [0.5, 0.3, 0.2]),  # a single one is
        ([0.4, 0.25, 0.125], [0.5, 0.25, 0.25]),  # the uncertainty is as large as the span
    ],
)
def test_paper_pro_may_be_anything_where_few_points_are_certain(
    lowest: list[float], highest: list[float]
) -> None:
    coverage = np.linspace(0.9, 0.8, len(lowest))
    assert protocol_bracket((np.array(lowest), np.array(highest)), (coverage, coverage)) == (0, 1)


def test_paper_pro_of_narrow_rows_is_nearly_certain() -> None:
    maps, masks = KINDS["smooth"]
    keys, images = score_keys(maps.ravel()), label_masks(masks)
    hits = [
        region_weights(part[it.pixels], it)
        for part, it in zip(keys.reshape(len(maps), -1), images, strict=True)
    ]
    hit_keys, weights = zip(*hits, strict=True)
    counted = rank(keys, np.concatenate(hit_keys), np.concatenate(weights), 8)
    low, high = counted_brackets(counted, threshold_keys(protocol_thresholds(maps.min(), maps.max())))[
        "pixel_pro"
    ]
    assert 0 <= high - low < 0.01
