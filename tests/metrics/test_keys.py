"""Keys sort as IEEE scores do."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.metrics.arrays import key_scores, score_keys, threshold_keys

finite = st.floats(width=32, allow_nan=False, allow_infinity=False)


@settings(deadline=None)
@given(finite, finite)
def test_keys_order_as_scores(a: float, b: float) -> None:
    first, second = score_keys(np.array([a, b], np.float32))
    assert (first < second) == (a < b)
    assert (first == second) == (a == b)


@settings(deadline=None)
@given(finite)
def test_scores_come_back(score: float) -> None:
    assert key_scores(score_keys(np.array([score], np.float32)))[0] == np.float32(score)


@settings(deadline=None)
@given(finite, st.floats(-1e38, 1e38))
def test_threshold_keys_compare_as_float64(score: float, threshold: float) -> None:
    key, limit = score_keys(np.array([score], np.float32)), threshold_keys(np.array([threshold]))
    assert (key > limit)[0] == (score > threshold)


@settings(deadline=None)
@given(finite, st.integers(-2, 2))
def test_thresholds_next_to_a_score(score: float, steps: int) -> None:
    threshold = score
    for _ in range(abs(steps)):
        threshold = float(np.nextafter(threshold, np.copysign(np.inf, steps)))
    key, limit = score_keys(np.array([score], np.float32)), threshold_keys(np.array([threshold]))
    assert (key > limit)[0] == (score > threshold)
