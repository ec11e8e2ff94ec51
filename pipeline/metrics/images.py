"""Image-level metrics: how well one score per image separates anomalous from normal images.

The point values are scikit-learn's, as in every public code of the field; images are few, so its speed does.
It is imported late, because importing it takes longer than many commands.
"""

import numpy as np
import numpy.typing as npt

from pipeline.errors import ZsadError
from pipeline.metrics.arrays import Floats, Ints, to_numpy
from pipeline.metrics.curves import ImageMetrics


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
