"""The paper's thresholds and its rescaling, quirks included."""

import numpy as np
import pytest

from pipeline.metrics.protocol import protocol_areas, protocol_pro, protocol_thresholds


def test_thresholds_start_at_the_lowest_score_and_stop_before_the_highest() -> None:
    thresholds = protocol_thresholds(np.float32(0), np.float32(4))
    assert thresholds.size == 200
    assert (thresholds[0], thresholds[-1]) == (0, pytest.approx(3.98))


def test_rounding_may_add_a_201st_threshold() -> None:
    thresholds = protocol_thresholds(np.float32(0.3857872), np.float32(3.753964))
    assert thresholds.size == 201
    assert thresholds[-1] < np.float32(3.753964)


@pytest.mark.parametrize(("low", "high"), [(0.5, 0.5), (-3e38, 3e38), (0, 1e-44)])
def test_no_usable_step_no_thresholds(low: float, high: float) -> None:
    assert protocol_thresholds(np.float32(low), np.float32(high)).size == 0


def test_kept_points_are_stretched_to_the_unit_interval_and_the_limit_is_strict() -> None:
    fpr = np.array([1.0, 0.3, 0.2, 0.1])
    coverage = np.array([1.0, 0.9, 0.8, 0.4])
    value, points, fpr_max = protocol_pro(fpr, coverage)
    assert value == pytest.approx(0.6)
    assert (points, fpr_max) == (2, 0.2)


def test_undefined() -> None:
    assert protocol_pro(np.array([0.5, 0.3]), np.array([1.0, 1.0])) == (None, 0, None)
    assert protocol_pro(np.array([0.5, 0.1]), np.array([1.0, 1.0])) == (None, 1, 0.1)
    assert protocol_pro(np.zeros(0), np.zeros(0)) == (None, 0, None)


def test_many_curves_at_once_equal_the_rule_written_out() -> None:
    rng = np.random.default_rng(5)
    fpr = -np.sort(-rng.random((40, 200)), axis=1) * rng.choice([0.1, 1, 5], (40, 1)).clip(max=1)
    fpr[0], fpr[1], fpr[2, 5:] = 0.7, 0.1, 0.0
    coverage = -np.sort(-rng.random((40, 200)), axis=1)
    for row, value in enumerate(protocol_areas(fpr, coverage)):
        x, y = (curve[row][fpr[row] < 0.3][::-1] for curve in (fpr, coverage))
        if x.size and x[-1] > x[0]:
            assert value == pytest.approx(np.trapezoid(y, (x - x[0]) / (x[-1] - x[0])), abs=1e-12)
        else:
            assert np.isnan(value)
