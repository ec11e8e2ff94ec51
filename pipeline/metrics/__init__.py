"""Ranking metrics of anomaly detection: exact, bounded in memory, mergeable. NumPy only; no torch import.

    state = PixelState()
    for maps, masks, names in batches:
        state.update(maps, masks, names)
    values = state.finish()

`image_intervals` and `pixel_intervals` say how far another draw of test images would move the values.
"""

from pipeline.metrics.curves import ImageMetrics, PixelMetrics, image_metrics
from pipeline.metrics.intervals import Interval, image_intervals, pixel_intervals
from pipeline.metrics.jackknife import LeftOut, Series, image_series
from pipeline.metrics.regions import ImageRegions, label_masks
from pipeline.metrics.state import PixelState

__all__ = [
    "ImageMetrics",
    "ImageRegions",
    "Interval",
    "LeftOut",
    "PixelMetrics",
    "PixelState",
    "Series",
    "image_intervals",
    "image_metrics",
    "image_series",
    "label_masks",
    "pixel_intervals",
]
