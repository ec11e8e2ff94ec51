"""The jackknife: the values that a subset has without some of its test images, and their variance.

Images of each class are left out in turn, one by one up to a hundred images, beyond that in a hundred groups
of equal size (Shao and Wu, Annals of Statistics 17, 1989). Pixels of one image are not independent and go
together. The spread of these values is the variance over other draws of images: for AUROC it is that of
placement values (DeLong, DeLong and Clarke-Pearson, Biometrics 44, 1988). A bootstrap tends to the same, but
for a factor of n / (n - 1) that it lacks with few images; the jackknife has no noise of its own.

Pixel values are recomputed from the images' sketches, as a product of what is left with counts by score.
Each series is shifted so that the whole sample gives the exact value. Images and samples are worked on some
at a time.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from pipeline.metrics import curves
from pipeline.metrics.arrays import Floats, Ints, Keys, key_scores
from pipeline.metrics.curves import PIXEL_METRICS, PixelMetrics, checked
from pipeline.metrics.protocol import protocol_areas, protocol_thresholds
from pipeline.metrics.sketch import ImageSketch


class LeftOut(NamedTuple):
    """Values of one metric without some images: a group of the `normal` ones (G,), or of the anomalous ones.

    At most 100 groups a class, none of a class without images. NaN where what is left has no value.
    """

    normal: Floats
    anomalous: Floats

    @property
    def variance(self) -> float | None:
        """Variance over other draws of images; None where one image has to stand for its class."""
        parts = [part for part in self if part.size]
        if not parts or any(part.size == 1 or np.isnan(part).any() for part in parts):
            return None
        variance = float(sum((part.size - 1) * part.var() for part in parts))
        return variance if variance > _ROUNDING else 0.0


Series = dict[str, LeftOut]
"""Metric name to its values."""

_Scores = npt.NDArray[np.float32]
_Samples = npt.NDArray[np.int32]
_Number = TypeVar("_Number", bound=np.number)
_Values = dict[str, Floats]

_ROUNDING = 1e-20  # of equal values
_EDGES = 256
_GROUPS = 100
_IMAGE_SAMPLES, _PIXEL_SAMPLES = 20, 100  # worked on at a time
_IMAGES = 256  # whose sketches are counted at a time


def image_series(labels: npt.ArrayLike, scores: npt.ArrayLike) -> Series:
    """Image metrics of a subset without some of its images.

    Args:
        labels: as `image_metrics`.
        scores: as `image_metrics`.

    Returns:
        Values in [0, 1] of each metric; empty when one of the classes is missing.

    Raises:
        ZsadError: as `image_metrics`.
    """
    truth, values = checked(labels, scores)
    if np.unique(truth).size < 2:
        return {}
    order = np.argsort(-values, kind="stable")
    levels = np.flatnonzero(np.diff(values[order], append=np.nan))
    samples = _samples(truth == 1)
    drawn = _joined(
        _image_values(samples[start : start + _IMAGE_SAMPLES, order], truth[order], levels)
        for start in range(0, len(samples), _IMAGE_SAMPLES)
    )
    return _by_class(drawn, truth == 1)


def pixel_series(sketches: Sequence[ImageSketch], values: PixelMetrics) -> Series:
    """Pixel metrics of a subset without some of its images.

    Args:
        sketches: `PixelState.sketches`.
        values: `PixelState.finish()` of the same state.

    Returns:
        Values in [0, 1] of each metric that `values` defines, in whatever order states were merged.
    """
    exact = {
        name: value for name, value in asdict(values).items() if name in PIXEL_METRICS and value is not None
    }
    if not exact:
        return {}
    images = sorted(sketches, key=lambda sketch: sketch.order)
    anomalous = np.array([image.anomalous > 0 for image in images])
    samples = np.concatenate([np.ones((1, len(images)), np.int32), _samples(anomalous)])
    drawn = _pixel_values(images, _edges(images), samples)
    moved = {name: np.clip(drawn[name][1:] + value - drawn[name][0], 0, 1) for name, value in exact.items()}
    return _by_class(moved, anomalous)


def _samples(anomalous: npt.NDArray[np.bool_]) -> _Samples:
    """Which images each sample keeps, as 1 and 0: (S, N), those without normal images first.

    The only image of a class is kept: without it there is no value.
    """
    samples = np.ones((sum(_groups(anomalous)), anomalous.size), np.int32)
    first = 0
    for kind, groups in zip((False, True), _groups(anomalous), strict=True):
        members = np.random.default_rng(0).permutation(np.flatnonzero(anomalous == kind))
        if groups > 1:
            samples[first + np.arange(members.size) % groups, members] = 0
        first += groups
    return samples


def _groups(anomalous: npt.NDArray[np.bool_]) -> tuple[int, int]:
    """Groups of normal and of anomalous images."""
    normal, bad = np.minimum(np.bincount(anomalous, minlength=2), _GROUPS).tolist()
    return normal, bad


def _by_class(values: _Values, anomalous: npt.NDArray[np.bool_]) -> Series:
    first, _ = _groups(anomalous)
    return {name: LeftOut(series[:first], series[first:]) for name, series in values.items()}


def _joined(parts: Iterable[_Values]) -> _Values:
    """Series of values one after the other."""
    every = list(parts)
    return {name: np.concatenate([part[name] for part in every]) for name in every[0]}


def _image_values(samples: _Samples, truth: Ints, levels: npt.NDArray[np.intp]) -> _Values:
    """All image metrics (S,) of samples (S, N); images from the highest score down, `levels` end ties."""
    tp = _with_zero(np.cumsum(samples * truth, 1)[:, levels])
    fp = _with_zero(np.cumsum(samples * (1 - truth), 1)[:, levels])
    return {
        "image_auroc": curves.auroc(fp, tp),
        "image_ap": curves.average_precision(fp, tp),
        "image_f1_max": curves.f1_max(fp, tp),
    }


def _edges(images: Sequence[ImageSketch]) -> Keys:
    """Keys (E,) that cut all pixels into rows: quantiles of the normal and of the anomalous ones."""
    return np.union1d(
        _quantiles([image.normal_keys for image in images]), _quantiles([image.hit_keys for image in images])
    )


def _quantiles(keys: list[Keys]) -> Keys:
    pooled = np.concatenate(keys)
    pooled.sort()
    return pooled[np.arange(_EDGES) * pooled.size // _EDGES] if pooled.size else pooled


def _count(images: Sequence[ImageSketch], edges: Keys) -> Floats:
    """Normal pixels, anomalous pixels and region weight of each image (3, N, E + 1), highest row first."""
    counts = np.zeros((3, len(images), edges.size + 1))
    normals, hits, cover = counts
    for place, image in enumerate(images):
        rows = edges.size - np.searchsorted(edges, image.normal_keys, "right")
        np.add.at(normals[place], rows, image.normals / max(image.normal_keys.size, 1))
        rows = edges.size - np.searchsorted(edges, image.hit_keys, "right")
        np.add.at(hits[place], rows, image.hits)
        np.add.at(cover[place], rows, image.cover)
    return counts


def _sums(images: Sequence[ImageSketch], edges: Keys, samples: _Samples) -> Floats:
    """What `_count` gives, summed over the images of each sample: (3, S, E + 1)."""
    sums = np.zeros((3, len(samples), edges.size + 1))
    for start in range(0, len(images), _IMAGES):
        counts = _count(images[start : start + _IMAGES], edges)
        for first in range(0, len(samples), _PIXEL_SAMPLES):
            part = samples[first : first + _PIXEL_SAMPLES, start : start + _IMAGES].astype(np.float64)
            for kind in range(3):
                sums[kind, first : first + _PIXEL_SAMPLES] += part @ counts[kind]
    return sums


def _pixel_values(images: Sequence[ImageSketch], edges: Keys, samples: _Samples) -> _Values:
    """All pixel metrics (S,) of samples given as multiplicities (S, N)."""
    sums = _sums(images, edges, samples)
    ends = np.array([(image.low, image.high) for image in images])
    scores = key_scores(edges)
    return _joined(
        _curve_values(sums[:, chunk], scores, _sample_ends(ends, samples[chunk]))
        for chunk in (
            slice(start, start + _PIXEL_SAMPLES) for start in range(0, len(samples), _PIXEL_SAMPLES)
        )
    )


def _curve_values(sums: Floats, edges: _Scores, ends: tuple[_Scores, _Scores]) -> _Values:
    """All pixel metrics (S,) of summed counts (3, S, E + 1); `ends` are each sample's extreme scores."""
    fp, tp, cover = (_with_zero(np.cumsum(part, 1)) for part in sums)
    return {
        "pixel_auroc": curves.auroc(fp, tp),
        "pixel_ap": curves.average_precision(fp, tp),
        "pixel_f1_max": curves.f1_max(fp, tp),
        "pixel_pro": _protocol(edges, ends, fp / fp[:, -1:], cover / cover[:, -1:]),
        "pixel_pro_exact": curves.pro_exact(fp, cover),
        "pixel_pro_exact_005": curves.pro_exact(fp, cover, curves.PRO_LIMIT_005),
    }


def _sample_ends(ends: _Scores, samples: _Samples) -> tuple[_Scores, _Scores]:
    """Lowest and highest score (S,) of each sample (S, N), from those of the images (N, 2)."""
    lowest = np.where(samples > 0, ends[:, 0], np.float32(np.inf)).min(1)
    highest = np.where(samples > 0, ends[:, 1], np.float32(-np.inf)).max(1)
    return lowest, highest


def _protocol(edges: _Scores, ends: tuple[_Scores, _Scores], fpr: Floats, coverage: Floats) -> Floats:
    """The paper's PRO (S,), with FPR and coverage (S, E + 2) interpolated between the rows."""
    lowest, highest = ends
    values = np.full(len(fpr), np.nan)
    # Few images hold the ends of most samples, and the thresholds depend on the ends alone.
    for low, high in {*zip(lowest, highest, strict=True)}:
        rows = (lowest == low) & (highest == high)
        scores = np.concatenate([[min(low, edges[0])], edges, [max(high, edges[-1])]])
        thresholds = protocol_thresholds(low, high)
        x, y = (_interpolate(thresholds, scores, share[rows, ::-1]) for share in (fpr, coverage))
        values[rows] = protocol_areas(x, y)
    return values


def _interpolate(thresholds: Floats, scores: _Scores, shares: Floats) -> Floats:
    """`np.interp` of every row of `shares` (S, P), given at rising `scores` (P,): (S, thresholds)."""
    left = np.clip(np.searchsorted(scores, thresholds, "right") - 1, 0, scores.size - 2)
    ends = scores[left].astype(float), scores[left + 1].astype(float)
    part = np.divide(thresholds - ends[0], ends[1] - ends[0], out=np.ones(left.size), where=ends[1] > ends[0])
    return np.asarray(shares[:, left] + np.clip(part, 0, 1) * (shares[:, left + 1] - shares[:, left]))


def _with_zero(counts: npt.NDArray[_Number]) -> npt.NDArray[_Number]:
    return np.pad(counts, ((0, 0), (1, 0)))
