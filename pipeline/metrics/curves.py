"""The metric values of a subset, and the areas and maxima under a ranking curve that they are.

A curve is a list of cumulative counts, from the highest score down and starting at zero: false
positives `fp`, true positives `tp`, and for PRO the covered share of the regions `cover`. Neighbouring
points are one group of equal scores apart, so ties are merged and never depend on the order of pixels.
All functions work along the last axis, so that a stack of curves costs one call, and expect
at least one positive and one negative. Values are shares in [0, 1]; undefined is None.

The point values of image scores are scikit-learn's, as in every public code of the field; images are few, so
its speed does. It is imported late, because importing it takes longer than many commands.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.errors import ZsadError
from pipeline.metrics.arrays import Floats, Ints, to_numpy

PRO_LIMIT = 0.3
"""PRO is integrated up to this false positive rate (Bergmann et al., MVTec AD, IJCV 2021, section 5.2)."""
PRO_LIMIT_005 = 0.05
"""Likewise where few false alarms are tolerated (Heckler-Kram et al., MVTec AD 2, arXiv 2503.21622)."""

PIXEL_METRICS = (
    "pixel_auroc",
    "pixel_ap",
    "pixel_f1_max",
    "pixel_pro",
    "pixel_pro_exact",
    "pixel_pro_exact_005",
)
"""The fields of `PixelMetrics` that are metrics, and the keys of intervals."""


@dataclass(frozen=True, slots=True)
class ImageMetrics:
    """Ranking of images by their image score. All None when the images are of one class."""

    image_auroc: float | None
    image_ap: float | None
    image_f1_max: float | None


@dataclass(frozen=True, slots=True)
class PixelMetrics:
    """Ranking of all pixels of a subset. All None without an anomalous or without a normal pixel.

    `pixel_pro` is the paper's PRO on 200 thresholds, `pixel_pro_exact` the area over all thresholds and
    `pixel_pro_exact_005` likewise up to a false positive rate of 0.05.
    `pro_points` says how many of the 200 thresholds the paper's rule kept and `pro_fpr_max` the false
    positive rate where its curve ends; far below 0.3, `pixel_pro` says little (`pipeline.metrics.protocol`).
    """

    pixel_auroc: float | None
    pixel_ap: float | None
    pixel_f1_max: float | None
    pixel_pro: float | None
    pixel_pro_exact: float | None
    pixel_pro_exact_005: float | None
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


def pro_exact(fp: npt.NDArray[np.number], cover: npt.NDArray[np.number], limit: float = PRO_LIMIT) -> Floats:
    """Area under mean region coverage against false positive rate up to `limit`, divided by it.

    All thresholds; the curve is interpolated linearly where it crosses the limit.
    """
    x, y = fp / fp[..., -1:], cover / cover[..., -1:]
    x0, x1, y0, y1 = x[..., :-1], x[..., 1:], y[..., :-1], y[..., 1:]
    width = np.clip(x1, None, limit) - np.clip(x0, None, limit)
    part = np.divide(width, x1 - x0, out=np.zeros_like(width), where=x1 > x0)
    return np.asarray((width * (y0 + part * (y1 - y0) / 2)).sum(-1) / limit)


def image_metrics(labels: npt.ArrayLike, scores: npt.ArrayLike) -> ImageMetrics:
    """AUROC, average precision and highest F1 of image scores.

    Args:
        labels: (N,) 0 = normal, 1 = anomalous.
        scores: (N,) higher = more anomalous, any finite real numbers; ranked as float64.

    Returns:
        The three values in [0, 1], ties merged; all None when one of the classes is missing or N is 0.

    Raises:
        ZsadError: lengths differ, a label is not 0 or 1, or a score is not finite.

    Examples:
        >>> image_metrics([0, 0, 1, 1], [0.1, 0.8, 0.5, 0.9])
        ImageMetrics(image_auroc=0.75, image_ap=0.8333333333333333, image_f1_max=0.8)
        >>> image_metrics([1, 1], [0.5, 0.9]).image_auroc is None
        True
    """
    truth, values = checked(labels, scores)
    if np.unique(truth).size < 2:
        return ImageMetrics(None, None, None)

    from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

    precision, recall, _ = precision_recall_curve(truth, values)
    f1 = 2 * precision * recall / np.maximum(precision + recall, np.finfo(np.float64).tiny)
    return ImageMetrics(
        float(roc_auc_score(truth, values)), float(average_precision_score(truth, values)), float(f1.max())
    )


def checked(labels: npt.ArrayLike, scores: npt.ArrayLike) -> tuple[Ints, Floats]:
    """Labels (N,) as 0 and 1 and scores (N,) as float64; errors as `image_metrics`."""
    truth, values = to_numpy(labels), to_numpy(scores).astype(np.float64)
    if truth.ndim != 1 or truth.shape != values.shape:
        raise ZsadError(
            f"image metrics need one label and one score an image; got {truth.shape} and {values.shape}"
        )
    if not np.isin(truth, (0, 1)).all():
        raise ZsadError("image labels must be 0 (normal) or 1 (anomalous)")
    bad = np.flatnonzero(~np.isfinite(values))
    if bad.size:
        raise ZsadError(
            f"image score {bad[0]} is {values[bad[0]]}; an image without a finite score cannot be ranked:"
            " look at the method that made it"
        )
    return truth.astype(np.int64), values
