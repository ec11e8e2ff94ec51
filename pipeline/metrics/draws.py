"""Bootstrap draws: the values that a subset would have with other draws of its test images, and their spread.

Images are drawn with replacement, normal and anomalous ones each among their own, so that every draw keeps
both classes. Pixels of one image are not independent and stay together. Pixel values are recomputed from the
images' sketches: a draw is a product of multiplicities with counts by score, so that a thousand draws cost
about as much as counting the pixels once. Each series is shifted so that the sample as it is gives the exact
value. Images and draws are worked on some at a time: beside the sketches, 200 draws take 2 kB per image.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from pipeline.metrics import curves
from pipeline.metrics.arrays import Floats, Ints, Keys, key_scores
from pipeline.metrics.curves import PIXEL_METRICS, PixelMetrics, checked
from pipeline.metrics.protocol import protocol_areas, protocol_thresholds
from pipeline.metrics.sketch import ImageSketch

Draws = dict[str, Floats]
"""Metric name to its value in each draw; NaN where a draw leaves it undefined."""

_Scores = npt.NDArray[np.float32]
_Samples = npt.NDArray[np.int32]
_Number = TypeVar("_Number", bound=np.number)

_EDGES = 256
_IMAGE_DRAWS, _PIXEL_DRAWS = 20, 100  # worked on at a time
_IMAGES = 256  # whose sketches are counted at a time
_UNDEFINED = 0.05
"""Share of draws that may leave a metric undefined before its spread is."""


def image_draws(labels: npt.ArrayLike, scores: npt.ArrayLike, *, draws: int = 1000, seed: int = 0) -> Draws:
    """Image metrics of bootstrap samples of a subset.

    Args:
        labels: as `image_metrics`.
        scores: as `image_metrics`.
        draws: how many samples.
        seed: same seed, same images in the same order: same series.

    Returns:
        (draws,) values in [0, 1] of each metric; empty when one of the classes is missing.

    Raises:
        ZsadError: as `image_metrics`.
    """
    truth, values = checked(labels, scores)
    if np.unique(truth).size < 2:
        return {}
    order = np.argsort(-values, kind="stable")
    levels = np.flatnonzero(np.diff(values[order], append=np.nan))
    samples = _multiplicities(truth == 1, draws, seed)
    return _joined(
        _image_values(samples[start : start + _IMAGE_DRAWS, order], truth[order], levels)
        for start in range(0, draws, _IMAGE_DRAWS)
    )


def pixel_draws(
    sketches: Sequence[ImageSketch], values: PixelMetrics, *, draws: int = 1000, seed: int = 0
) -> Draws:
    """Pixel metrics of `draws` bootstrap samples of a subset.

    Args:
        sketches: `PixelState.sketches`.
        values: `PixelState.finish()` of the same state.
        draws: how many samples.
        seed: same seed, same images: same series, in whatever order states were merged.

    Returns:
        (draws,) values of each metric that `values` defines.
    """
    exact = {
        name: value for name, value in asdict(values).items() if name in PIXEL_METRICS and value is not None
    }
    if not exact:
        return {}
    images = sorted(sketches, key=lambda sketch: sketch.order)
    edges = _edges(images)
    samples = _multiplicities(np.array([image.hits.size > 0 for image in images]), draws, seed)
    plain = _pixel_values(images, edges, np.ones((1, len(images)), np.int32))
    series = _pixel_values(images, edges, samples)
    return {name: np.clip(series[name] + value - plain[name], 0, 1) for name, value in exact.items()}


def interval(values: Floats) -> tuple[float, float] | None:
    """95 % percentile interval of a series of draws; None when more than 5 % of the draws are undefined."""
    if (defined := _defined(values)) is None:
        return None
    low, high = np.quantile(defined, [0.025, 0.975])
    return float(low), float(high)


def standard_error(values: Floats) -> float | None:
    """Standard deviation of a series of draws; None when more than 5 % of the draws are undefined."""
    defined = _defined(values)
    return None if defined is None else float(defined.std(ddof=1))


def _defined(values: Floats) -> Floats | None:
    defined = values[~np.isnan(values)]
    return defined if defined.size and defined.size >= (1 - _UNDEFINED) * values.size else None


def _joined(parts: Iterable[Draws]) -> Draws:
    """Series of draws one after the other."""
    every = list(parts)
    return {name: np.concatenate([part[name] for part in every]) for name in every[0]}


def _image_values(samples: _Samples, truth: Ints, levels: npt.NDArray[np.intp]) -> Draws:
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
        for first in range(0, len(samples), _PIXEL_DRAWS):
            part = samples[first : first + _PIXEL_DRAWS, start : start + _IMAGES].astype(np.float64)
            for kind in range(3):
                sums[kind, first : first + _PIXEL_DRAWS] += part @ counts[kind]
    return sums


def _pixel_values(images: Sequence[ImageSketch], edges: Keys, samples: _Samples) -> Draws:
    """All pixel metrics (S,) of samples given as multiplicities (S, N)."""
    sums = _sums(images, edges, samples)
    ends = np.array([(image.low, image.high) for image in images])
    scores = key_scores(edges)
    return _joined(
        _curve_values(sums[:, chunk], scores, _drawn_ends(ends, samples[chunk]))
        for chunk in (slice(start, start + _PIXEL_DRAWS) for start in range(0, len(samples), _PIXEL_DRAWS))
    )


def _curve_values(sums: Floats, edges: _Scores, ends: tuple[_Scores, _Scores]) -> Draws:
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


def _drawn_ends(ends: _Scores, samples: _Samples) -> tuple[_Scores, _Scores]:
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


def _multiplicities(anomalous: npt.NDArray[np.bool_], draws: int, seed: int) -> _Samples:
    """(draws, N) how often each image is drawn."""
    rng = np.random.default_rng(seed)
    counts = np.zeros((draws, anomalous.size), np.int32)
    for members in (np.flatnonzero(~anomalous), np.flatnonzero(anomalous)):
        for start in range(0, draws, _IMAGE_DRAWS):
            part = counts[start : start + _IMAGE_DRAWS]
            picked = members[rng.integers(0, max(members.size, 1), (len(part), members.size))]
            np.add.at(part, (np.arange(len(part))[:, None], picked), 1)
    return counts


def _with_zero(counts: npt.NDArray[_Number]) -> npt.NDArray[_Number]:
    return np.pad(counts, ((0, 0), (1, 0)))
