"""The metric values of a subset, and the areas and maxima under a ranking curve that they are.

A curve is a list of cumulative counts, from the highest score down and starting at zero: false
positives `fp`, true positives `tp`, and for PRO the covered share of the regions `cover`. Neighbouring
points are one group of equal scores apart, so ties are merged and never depend on the order of pixels.
All functions work along the last axis, so that a stack of bootstrap curves costs one call, and expect
at least one positive and one negative. Values are shares in [0, 1]; undefined is None.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.metrics.arrays import Floats, Ints

PRO_LIMIT = 0.3
"""PRO is integrated up to this false positive rate (Bergmann et al., MVTec AD, IJCV 2021, section 5.2)."""

PIXEL_METRICS = ("pixel_auroc", "pixel_ap", "pixel_f1_max", "pixel_pro", "pixel_pro_exact")
"""The fields of `PixelMetrics` that are metrics, and the keys of draws."""


@dataclass(frozen=True, slots=True)
class ImageMetrics:
    """Ranking of images by their image score. All None when the images are of one class."""

    image_auroc: float | None
    image_ap: float | None
    image_f1_max: float | None


@dataclass(frozen=True, slots=True)
class PixelMetrics:
    """Ranking of all pixels of a subset. All None without an anomalous or without a normal pixel.

    `pixel_pro` is the paper's PRO on 200 thresholds, `pixel_pro_exact` the area over all thresholds.
    `pro_points` says how many of the 200 thresholds the paper's rule kept and `pro_fpr_max` the false
    positive rate where its curve ends; far below 0.3, `pixel_pro` says little (`pipeline.metrics.protocol`).
    """

    pixel_auroc: float | None
    pixel_ap: float | None
    pixel_f1_max: float | None
    pixel_pro: float | None
    pixel_pro_exact: float | None
    n_regions: int
    pro_points: int
    pro_fpr_max: float | None


@dataclass(frozen=True, slots=True)
class Curve:
    """Cumulative counts (..., points), last point = totals. `cover` is in units of the regions' total."""

    fp: Ints
    tp: Ints
    cover: Ints


def auroc(fp: npt.NDArray[np.number], tp: npt.NDArray[np.number]) -> Floats:
    """Area under the ROC curve; tied scores count half."""
    areas = np.diff(fp) * ((tp[..., 1:] + tp[..., :-1]) / 2)
    return np.asarray(areas.sum(-1) / (fp[..., -1].astype(float) * tp[..., -1]))


def average_precision(fp: npt.NDArray[np.number], tp: npt.NDArray[np.number]) -> Floats:
    """Average precision: precision at each distinct score, weighted by the recall gained there.

    A sum of steps as in scikit-learn, not the trapezoid area, which is higher where few scores are distinct.
    """
    hits = tp[..., 1:]
    precision = hits / np.maximum(hits + fp[..., 1:], 1)
    return np.asarray((np.diff(tp) * precision).sum(-1) / tp[..., -1])


def f1_max(fp: npt.NDArray[np.number], tp: npt.NDArray[np.number]) -> Floats:
    """Highest F1, 2 tp / (positives + predicted), over all thresholds."""
    return np.asarray((2 * tp / (tp[..., -1:] + tp + fp)).max(-1))


def pro_exact(fp: npt.NDArray[np.number], cover: npt.NDArray[np.number]) -> Floats:
    """Area under mean region coverage against false positive rate up to `PRO_LIMIT`, divided by it.

    All thresholds; the curve is interpolated linearly where it crosses the limit.
    """
    x, y = fp / fp[..., -1:], cover / cover[..., -1:]
    x0, x1, y0, y1 = x[..., :-1], x[..., 1:], y[..., :-1], y[..., 1:]
    width = np.clip(x1, None, PRO_LIMIT) - np.clip(x0, None, PRO_LIMIT)
    part = np.divide(width, x1 - x0, out=np.zeros_like(width), where=x1 > x0)
    return np.asarray((width * (y0 + part * (y1 - y0) / 2)).sum(-1) / PRO_LIMIT)
