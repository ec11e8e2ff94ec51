"""Standard error and 95 % interval of a value over other draws of its test images.

The variance is the jackknife's (`jackknife`). A few images decide it, most of all near the ceiling, where a
lucky sample looks certain too; so it is averaged with the variance that the binormal model (`binormal`) has
at that value, as if more images had been seen: a prior variance as by Smyth (Statistical Applications in
Genetics and Molecular Biology 3, 2004). For pixel metrics the model is that of AUROC with one pixel an image
and kind, which is about what they come to where images differ more than their pixels; it weighs little there,
and is that of four fifths of the images, as AP spreads a little more.

Ends are Student's on a scale of folded fourth roots (Tukey, Exploratory Data Analysis, 1977): on the logit
they go too far near the ceiling, and plain ones fall short. A perfect separation leaves nothing to compute a
variance from; the model alone says what is credible then. `python -m benchmarks coverage` chose all this.
"""

import statistics
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.metrics.binormal import F1_EXCESS, Law, binormal
from pipeline.metrics.curves import ImageMetrics, PixelMetrics
from pipeline.metrics.jackknife import image_series, pixel_series
from pipeline.metrics.sketch import ImageSketch

LEVEL: Final = 0.95

_POWER: Final = 0.25
_Z: Final = statistics.NormalDist().inv_cdf((1 + LEVEL) / 2)
_EXACT: Final = 1e-9  # nearer to 0 or 1 than any other order of images comes
_TAIL: Final = np.geomspace(_EXACT, 0.02, 250)
_SHARES: Final = np.concatenate([_TAIL, np.linspace(0.02, 0.98, 200)[1:-1], 1 - _TAIL[::-1]])


class Interval(NamedTuple):
    """How far a value may be off: standard `error`, and both ends of the 95 % interval, in shares."""

    error: float
    low: float
    high: float


class _Prior(NamedTuple):
    """What is believed of a metric before its images are seen.

    Attributes:
        law: the model's.
        bound: lowest value that leaves a perfect separation credible.
        images: how many images it weighs as much as.
        highest: that a lower end may be: no other sample is surer than one that separates perfectly.
        excess: how far the value of a sample lies above what is meant, in standard errors.
    """

    law: Law
    bound: float
    images: int
    highest: float = 1.0
    excess: float = 0.0


def image_intervals(
    labels: npt.ArrayLike, scores: npt.ArrayLike, values: ImageMetrics
) -> dict[str, Interval]:
    """Intervals of image metrics.

    Args:
        labels: as `image_metrics`.
        scores: as `image_metrics`.
        values: what that gives for them.

    Returns:
        By metric; nothing where a class has less than two images, of which no spread can be told.

    Raises:
        ZsadError: as `image_metrics`.
    """
    series = image_series(labels, scores)
    if not series:
        return {}
    anomalous = int(np.sum(np.asarray(labels)))
    laws, bounds = binormal(np.size(labels) - anomalous, anomalous)
    # F1-max is to hold the population's and the mean of samples, which lies above it.
    excess = {"image_f1_max": F1_EXCESS / 2}
    priors = {
        name: _Prior(laws[name], bounds[name], 240, bounds[name], excess.get(name, 0.0)) for name in series
    }
    found = {
        name: _interval(getattr(values, name), it.variance, priors[name], np.size(labels), 2)
        for name, it in series.items()
    }
    return {name: interval for name, interval in found.items() if interval is not None}


def pixel_intervals(sketches: Sequence[ImageSketch], values: PixelMetrics) -> dict[str, Interval]:
    """Intervals of pixel metrics.

    Args:
        sketches: `PixelState.sketches`.
        values: `PixelState.finish()` of the same state.

    Returns:
        By metric; none for one that is undefined, and nothing where a kind of images has a single one.
    """
    series = pixel_series(sketches, values)
    if not series:
        return {}
    anomalous = sum(sketch.anomalous > 0 for sketch in sketches)
    laws, bounds = binormal(len(sketches) * 4 // 5, max(anomalous * 4 // 5, 1))
    prior = _Prior(laws["image_auroc"], bounds["image_auroc"], 30)
    found = {
        name: _interval(
            getattr(values, name), it.variance, prior, len(sketches), sum(part.size > 0 for part in it)
        )
        for name, it in series.items()
    }
    return {name: interval for name, interval in found.items() if interval is not None}


def _interval(
    value: float, variance: float | None, prior: _Prior, images: int, kinds: int
) -> Interval | None:
    """The interval of a `value` of images of so many `kinds`; None where its variance is not known."""
    if variance is None:
        return None
    if value > 1 - _EXACT or value < _EXACT:
        low, high = (prior.bound, 1.0) if value > _EXACT else (0.0, 1 - prior.bound)
        return Interval((high - low) / (2 * _Z), low, high)
    quantile = _student(images - kinds)
    believed = float(np.interp(value, prior.law.mean, prior.law.error)) ** 2
    error = ((images * variance + prior.images * believed) / (images + prior.images)) ** 0.5
    low, high = _ends(value - prior.excess * error, quantile * error)
    low = min(low, prior.highest)
    return Interval(max(error, (high - low) / (2 * quantile)), low, high)


def _ends(value: float, half: float) -> tuple[float, float]:
    """Ends of an interval whose halves are `half` wide by the slope of the folded scale at `value`."""
    share = min(max(value, _EXACT), 1 - _EXACT)
    slope = share ** (_POWER - 1) + (1 - share) ** (_POWER - 1)
    around = _folded(share) + np.array([-half, half]) * slope
    low, high = np.interp(around, _folded(_SHARES), _SHARES, 0, 1)
    return float(low), float(high)


def _folded(share: Any) -> Any:
    return (share**_POWER - (1 - share) ** _POWER) / _POWER


def _student(freedom: int) -> float:
    """Half the width of a 95 % interval in standard errors."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, (1 + LEVEL) / 2))
