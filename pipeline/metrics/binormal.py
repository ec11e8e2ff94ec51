"""The binormal model of image scores: what image metrics are in it, and how far those of samples spread.

Scores of normal and of anomalous images are normally distributed with one variance, `shift` deviations apart.
The metrics depend on the order of scores alone, so the model holds for all scores that some increasing
function
makes so. The variance of AUROC is exact (Bamber, Journal of Mathematical Psychology 12, 1975), those of
the others are asymptotic, from influence functions. Perfect separation is bounded as by Obuchowski and Lieber
(Academic Radiology 9, 2002), by the shift at which it is as rare as the end of an interval asks.
"""

from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np

from pipeline.metrics.arrays import Floats

F1_EXCESS: Final = 0.75
"""How far a sample's F1-max, a maximum, lies above the population's on average, in standard errors.

It and `_F1_SPREAD` were measured in the model, for 20 to 200 images.
"""

_F1_SPREAD: Final = 0.87  # of the standard error that a fixed threshold has
_RARE: Final = 0.05  # half of it beyond the end: the middle of both ways to count a tie (mid-P)
_SHIFTS: Final = np.linspace(-2.0, 9.0, 120)[:, None]
_SCORES: Final = np.linspace(-7.0, 16.0, 600)


class Law(NamedTuple):
    """One metric at rising shifts (G,): `value` of the population, `mean` and standard `error` of samples."""

    value: Floats
    mean: Floats
    error: Floats


class Model(NamedTuple):
    """A subset of so many images.

    Attributes:
        laws: by metric.
        bounds: by metric, the lowest value that leaves a perfect separation of the classes credible.
    """

    laws: dict[str, Law]
    bounds: dict[str, float]


@lru_cache(maxsize=64)
def binormal(normal: int, anomalous: int) -> Model:
    """The model of `normal` and `anomalous` images, at least one of each. Some 6 ms."""
    from scipy.special import ndtr

    false, true = ndtr(-_SCORES), ndtr(_SHIFTS - _SCORES)  # rates at each threshold, (K,) and (G, K)
    share = anomalous / (normal + anomalous)
    laws = {
        "image_auroc": _auroc(normal, anomalous),
        "image_ap": _average_precision(false, true, share, normal + anomalous),
        "image_f1_max": _f1_max(false, true, share, normal + anomalous),
    }
    chances = _separation(false, normal, anomalous)
    bound = np.interp(_RARE, chances, _SHIFTS[:, 0])
    return Model(laws, {name: float(np.interp(bound, _SHIFTS[:, 0], it.value)) for name, it in laws.items()})


def _auroc(normal: int, anomalous: int) -> Law:
    from scipy.special import ndtr, ndtri, owens_t

    value = ndtr(_SHIFTS[:, 0] / np.sqrt(2))
    # Two images of one class are both on the right side of one of the other: a bivariate normal probability.
    both = value - 2 * owens_t(ndtri(value), 1 / np.sqrt(3))
    pairs = value * (1 - value) + (normal + anomalous - 2) * np.maximum(both - value**2, 0)
    return Law(value, value, np.sqrt(pairs / (normal * anomalous)))


def _average_precision(false: Floats, true: Floats, share: float, images: int) -> Law:
    above = share * true + (1 - share) * false
    precision = np.divide(share * true, above, out=np.ones_like(above), where=above > 0)
    hits, alarms = -np.diff(true), -np.diff(false)
    # What precision gains with the rate of one class at a threshold, summed over thresholds below a score.
    scale = share * (1 - share) / np.maximum(above, 1e-150) ** 2
    of_hits = _between(precision) + np.cumsum(hits * _between(scale * false), 1)
    of_alarms = np.cumsum(hits * _between(scale * true), 1)
    variance = _variance(of_hits, hits) / share + _variance(of_alarms, alarms) / (1 - share)
    value = np.maximum.accumulate((hits * _between(precision)).sum(1))
    return Law(value, value, np.sqrt(variance / images))


def _f1_max(false: Floats, true: Floats, share: float, images: int) -> Law:
    called = share * true + (1 - share) * false + share
    every = 2 * share * true / called
    best = every.argmax(1)
    rows = np.arange(len(every))
    t, f, c, value = true[rows, best], false[best], called[rows, best], every[rows, best]
    variance = share * (2 - value) ** 2 * t * (1 - t) + (1 - share) * value**2 * f * (1 - f)
    # No less than half the part of an image: where all images are called anomalous the rule sees no spread.
    error = np.maximum(_F1_SPREAD * np.sqrt(variance / images) / c, 0.5 / images)
    value = np.maximum.accumulate(value)
    return Law(value, np.maximum.accumulate(np.minimum(value + F1_EXCESS * error, (1 + value) / 2)), error)


def _between(curve: Floats) -> Floats:
    return (curve[..., 1:] + curve[..., :-1]) / 2


def _variance(values: Floats, weights: Floats) -> Floats:
    mean = (values * weights).sum(1)
    return np.asarray(np.maximum((values**2 * weights).sum(1) - mean**2, 0))


def _separation(false: Floats, normal: int, anomalous: int) -> Floats:
    """Chance (G,) that every anomalous image scores higher than every normal one, at rising shifts."""
    from scipy.special import ndtr

    highest = np.diff((1 - false) ** normal)  # of the highest normal score
    below = ndtr(_SHIFTS - _between(_SCORES)) ** anomalous
    return np.maximum.accumulate((highest * below).sum(1))
