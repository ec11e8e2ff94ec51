"""Ranking metrics of anomaly detection: exact, bounded in memory, mergeable. NumPy only; no torch import.

    state = PixelState()
    for maps, masks, names in batches:
        state.update(maps, masks, names)
    values = state.finish()

`draws` redraws the images for the bootstrap, `intervals` says how far the values then move.
"""

from pipeline.metrics.curves import ImageMetrics, PixelMetrics, image_metrics
from pipeline.metrics.draws import Draws, image_draws, interval, pixel_draws, standard_error
from pipeline.metrics.regions import ImageRegions, label_masks
from pipeline.metrics.state import PixelState

__all__ = [
    "Draws",
    "ImageMetrics",
    "ImageRegions",
    "PixelMetrics",
    "PixelState",
    "image_draws",
    "image_metrics",
    "interval",
    "label_masks",
    "pixel_draws",
    "standard_error",
]
