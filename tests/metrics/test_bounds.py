"""Brackets hold the exact values however coarse the rows, and are as tight as they say."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.metrics import curves
from pipeline.metrics.bounds import auroc_bracket, counted_brackets
from pipeline.metrics.keys import Floats, Ints, Keys, key_scores, score_keys, threshold_keys
from pipeline.metrics.protocol import protocol_pro, protocol_thresholds
from pipeline.metrics.ranking import Ranking, group_hits
from pipeline.metrics.regions import WEIGHT_BITS, label_masks, region_weights

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
    protocol = protocol_pro(points.fp / ranking.negatives, points.cover / (ranking.regions << WEIGHT_BITS))
    return {
        "pixel_auroc": float(curves.auroc(curve.fp, curve.tp)),
        "pixel_ap": float(curves.average_precision(curve.fp, curve.tp)),
        "pixel_f1_max": float(curves.f1_max(curve.fp, curve.tp)),
        "pixel_pro_exact": float(curves.pro_exact(curve.fp, curve.cover)),
    } | ({} if protocol.value is None else {"pixel_pro": protocol.value})


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
