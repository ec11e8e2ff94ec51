"""The paper's PRO: 200 thresholds between the lowest and the highest score of a subset.

The rule, step by step, quirks included (VAND and AnomalyCLIP evaluate with it, and their tables print it):

1. lo, hi = lowest and highest pixel score of the subset; the thresholds are the half-open range from lo to hi
   in steps of (hi - lo) / 200. Rounding makes that 201 thresholds now and then.
2. At each threshold, pixels with score > threshold are predicted anomalous: PRO is the mean over all regions
   of their covered share, FPR the share of predicted pixels among all normal ones.
3. Only points with FPR < 0.3 are kept. Nothing is interpolated at 0.3: the kept FPRs are stretched from their
   own minimum and maximum to [0, 1]. The value is the trapezoid area.

So it depends on how scores are scaled, not on their order alone, and where the kept curve ends far below
0.3 it says little; `PixelMetrics.pro_fpr_max` and `pro_points` tell.

Arithmetic is NumPy 2's on float32 maps: lo, hi and the step are float32, thresholds are float64 and scores
are compared with them in float64. (NumPy 1 keeps a float64 step and rounds thresholds to float32; the value
then differs by up to 1e-6 on smooth maps, 7e-5 on 8-bit maps.) Pixels are counted in integers.
"""

import numpy as np

from pipeline.metrics.arrays import Floats
from pipeline.metrics.curves import PRO_LIMIT

STEPS = 200


def protocol_thresholds(low: np.float32, high: np.float32) -> Floats:
    """Thresholds (200 or 201,) for scores from `low` to `high`; none when the range has no usable step."""
    with np.errstate(over="ignore"):
        step = (high - low) / STEPS
    if not (step > 0 and np.isfinite(step)):
        return np.zeros(0)
    return np.arange(low, high, step).astype(np.float64)


def protocol_pro(fpr: Floats, coverage: Floats) -> tuple[float | None, int, float | None]:
    """Step 3 of the rule.

    Args:
        fpr: (thresholds,) false positive rate, in the order of rising thresholds.
        coverage: (thresholds,) mean region coverage.

    Returns:
        The value in [0, 1], None when no point, or points of a single FPR, are kept; the number of thresholds
        kept; the FPR where the kept curve ends, None when none is kept.
    """
    kept = fpr[fpr < PRO_LIMIT]
    value = float(protocol_areas(fpr[None], coverage[None])[0])
    return None if np.isnan(value) else value, kept.size, float(kept[0]) if kept.size else None


def protocol_areas(fpr: Floats, coverage: Floats) -> Floats:
    """Step 3 of the rule for many curves at once.

    Args:
        fpr: (curves, thresholds) false positive rates that never rise along a row.
        coverage: (curves, thresholds) mean region coverage.

    Returns:
        (curves,) values in [0, 1]; NaN where no point, or points of a single FPR, are kept.
    """
    kept = fpr < PRO_LIMIT
    if not fpr.shape[1]:
        return np.full(len(fpr), np.nan)
    span = np.where(kept, fpr, -np.inf).max(1) - fpr[:, -1]
    steps = np.where(kept[:, :-1], fpr[:, :-1] - fpr[:, 1:], 0)
    areas = (steps * (coverage[:, :-1] + coverage[:, 1:]) / 2).sum(1)
    return np.asarray(np.divide(areas, span, out=np.full(len(fpr), np.nan), where=span > 0))
