"""How far counting in rows can move a value: certified brackets, computed from the counts themselves.

A counted subset (`pipeline.metrics.table`) has the exact metrics of scores rounded down to their row.
Rounding keeps the order of pixels of different rows, so start and end of a row are true points of the true
curve; only the path between them is unknown, and both coordinates grow along it. Let a row reach from
(fp0, tp0) to (fp1, tp1), with P anomalous and N normal pixels in all.

- AUROC, PRO: the true curve stays inside the row's rectangle and ours is its diagonal, so the area is off by
  at most half the rectangle (all of it for the row that the limit, 0.3 or 0.05, cuts). For AUROC that is less
  than half the largest share of normal pixels in one row.
- F1: our maximum is attained, so it is a lower bound; within a row F1 <= 2 tp1 / (P + tp1 + fp0).
- AP: the k-th anomalous pixel of a row of h has precision at least (tp0 + k) / (tp0 + k + fp1), which is
  concave in k, so at least the mean of k = 1 and k = h on average; and at most tp1 / (tp1 + fp0).
- The paper's PRO: a threshold may fall inside a row. The value rises with every coverage, so the lowest and
  highest coverages bracket it for given FPRs. Let w be the largest uncertainty of FPR at a kept threshold, D
  the span of the kept FPRs, m_i the mean coverage of points i and i + 1. The area before rescaling is
  m_0 F_0 + sum F_i (m_i - m_(i-1)) - m_last F_last, with m falling and at most 1: FPRs that are up to w
  larger change it by at most w, and D by at most w, so the value by at most 2 w / (D - w). Where the 0.3
  falls inside a row, both choices of kept points are covered.
"""

from dataclasses import asdict

import numpy as np

from pipeline.metrics import PixelState, curves
from pipeline.metrics.arrays import Floats, Keys, threshold_keys
from pipeline.metrics.curves import PIXEL_METRICS, PRO_LIMIT, PRO_LIMIT_005, Curve
from pipeline.metrics.protocol import protocol_pro, protocol_thresholds
from pipeline.metrics.ranking import Ranking

Bracket = tuple[float, float]
"""Lowest and highest value that the uncounted scores can have."""


def brackets(state: PixelState) -> dict[str, Bracket]:
    """Lowest and highest value that each defined metric of `state` can have, given what was counted.

    Both are the value itself while the state is exact.
    """
    ranking, values = state._ranking(), asdict(state.finish())
    defined = {name: values[name] for name in PIXEL_METRICS if values[name] is not None}
    if not (ranking.row_bits and defined):
        return {name: (value, value) for name, value in defined.items()}
    counted = counted_brackets(ranking, threshold_keys(protocol_thresholds(state._low, state._high)))
    return {name: counted[name] for name in defined}


def auroc_bracket(curve: Curve) -> Bracket:
    """Bracket of `curves.auroc` on the curve of a counted subset."""
    error = float((np.diff(curve.fp) / curve.fp[-1]) @ (np.diff(curve.tp) / curve.tp[-1])) / 2
    return _around(float(curves.auroc(curve.fp, curve.tp)), error)


def average_precision_bracket(curve: Curve) -> Bracket:
    """Bracket of `curves.average_precision`."""
    fp0, fp1, tp0, tp1 = _rows(curve)
    share = (tp1 - tp0) / curve.tp[-1]
    worst = ((tp0 + 1) / (tp0 + 1 + fp1) + tp1 / (tp1 + fp1)) / 2
    return float(share @ worst), float(share @ (tp1 / (tp1 + fp0)))


def f1_max_bracket(curve: Curve) -> Bracket:
    """Bracket of `curves.f1_max`."""
    fp0, _, _, tp1 = _rows(curve)
    highest = float((2 * tp1 / (curve.tp[-1] + tp1 + fp0)).max())
    return float(curves.f1_max(curve.fp, curve.tp)), highest


def pro_exact_bracket(curve: Curve, limit: float = PRO_LIMIT) -> Bracket:
    """Bracket of `curves.pro_exact`."""
    x, y = curve.fp / curve.fp[-1], curve.cover / curve.cover[-1]
    width = np.diff(np.minimum(x, limit))
    share = np.where(x[1:] > limit, 1.0, 0.5)
    return _around(
        float(curves.pro_exact(curve.fp, curve.cover, limit)), float((width * share) @ np.diff(y)) / limit
    )


def protocol_bracket(fpr: tuple[Floats, Floats], coverage: tuple[Floats, Floats]) -> Bracket:
    """Bracket of `protocol_pro` from the lowest and highest possible FPR and coverage at each threshold."""
    if not (fpr[1] < PRO_LIMIT).any():
        return 0.0, 1.0
    # FPR falls from threshold to threshold: the kept points are all from the first below the limit on.
    first, last = int(np.argmax(fpr[0] < PRO_LIMIT)), int(np.argmax(fpr[1] < PRO_LIMIT))
    w = float((fpr[1] - fpr[0])[first:].max())
    brackets = []
    for start in range(first, last + 1):
        low, high = (protocol_pro(fpr[0][start:], share[start:])[0] for share in coverage)
        span = float(fpr[0][start] - fpr[0][-1])
        if low is None or high is None or span <= w:
            return 0.0, 1.0
        error = 2 * w / (span - w)
        brackets.append((max(low - error, 0.0), min(high + error, 1.0)))
    return min(low for low, _ in brackets), max(high for _, high in brackets)


def counted_brackets(ranking: Ranking, thresholds: Keys) -> dict[str, Bracket]:
    """Bracket of each pixel metric.

    Args:
        ranking: a subset with anomalous and normal pixels, counted in rows of more than one key.
        thresholds: keys of the paper's 200 thresholds.
    """
    curve = ranking.curve()
    low, high = ranking.above(thresholds), ranking.from_row(thresholds)
    negatives, regions = curve.fp[-1], curve.cover[-1]
    return {
        "pixel_auroc": auroc_bracket(curve),
        "pixel_ap": average_precision_bracket(curve),
        "pixel_f1_max": f1_max_bracket(curve),
        "pixel_pro": protocol_bracket(
            (low.fp / negatives, high.fp / negatives), (low.cover / regions, high.cover / regions)
        ),
        "pixel_pro_exact": pro_exact_bracket(curve),
        "pixel_pro_exact_005": pro_exact_bracket(curve, PRO_LIMIT_005),
    }


def _rows(curve: Curve) -> tuple[Floats, Floats, Floats, Floats]:
    """fp0, fp1, tp0, tp1 of each row that holds an anomalous pixel."""
    fp, tp = curve.fp.astype(np.float64), curve.tp.astype(np.float64)
    return fp[1:-1:2], fp[2:-1:2], tp[1:-1:2], tp[2:-1:2]


def _around(value: float, error: float) -> Bracket:
    return max(value - error, 0.0), min(value + error, 1.0)
