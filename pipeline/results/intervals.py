"""The columns of `metrics/` that say how far a value would move with another draw of test images.

Three for every metric, in shares: `<metric>_se`, the standard error, and `<metric>_low` and `<metric>_high`,
the ends of the 95 % interval. All three are `None` where the metric is, and where too many bootstrap samples
leave it undefined (`pipeline.metrics.intervals`). Training seeds are no part of them: each has its own row.
"""

from dataclasses import dataclass, fields
from typing import NamedTuple


class Spread(NamedTuple):
    """Standard error and 95 % interval of one value, as shares."""

    se: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class IntervalColumns:
    """The interval columns of a row."""

    image_auroc_se: float | None = None
    image_auroc_low: float | None = None
    image_auroc_high: float | None = None
    image_ap_se: float | None = None
    image_ap_low: float | None = None
    image_ap_high: float | None = None
    image_f1_max_se: float | None = None
    image_f1_max_low: float | None = None
    image_f1_max_high: float | None = None
    pixel_auroc_se: float | None = None
    pixel_auroc_low: float | None = None
    pixel_auroc_high: float | None = None
    pixel_ap_se: float | None = None
    pixel_ap_low: float | None = None
    pixel_ap_high: float | None = None
    pixel_f1_max_se: float | None = None
    pixel_f1_max_low: float | None = None
    pixel_f1_max_high: float | None = None
    pixel_pro_se: float | None = None
    pixel_pro_low: float | None = None
    pixel_pro_high: float | None = None
    pixel_pro_exact_se: float | None = None
    pixel_pro_exact_low: float | None = None
    pixel_pro_exact_high: float | None = None

    def spread(self, metric: str) -> Spread | None:
        """Standard error and interval of `metric`, `None` where they are undefined."""
        parts = [getattr(self, name) for name in spread_columns(metric)]
        return None if None in parts else Spread(*parts)


INTERVAL_COLUMNS = tuple(field.name for field in fields(IntervalColumns))


def spread_columns(metric: str) -> tuple[str, str, str]:
    """Names of the columns of `metric`: standard error, low end, high end."""
    return f"{metric}_se", f"{metric}_low", f"{metric}_high"
