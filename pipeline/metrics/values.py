"""The metric values of one subset: what evaluation stores. Shares in [0, 1]; undefined is None."""

from dataclasses import dataclass

PIXEL_METRICS = ("pixel_auroc", "pixel_ap", "pixel_f1_max", "pixel_pro", "pixel_pro_exact")
"""The fields of `PixelMetrics` that are metrics, and the keys of brackets and draws."""


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
