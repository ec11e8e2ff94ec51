"""Bootstrap intervals: how far a value would move with another draw of test images.

Images are drawn with replacement, normal and anomalous ones each among their own, so that every draw keeps
both classes. Pixels of one image are not independent and stay together. Pixel values are recomputed from the
images' sketches: a draw is a product of multiplicities with counts by score, so that a thousand draws cost
about as much as counting the pixels once. Each series is shifted so that the sample as it is gives the exact
value.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from pipeline.metrics import curves
from pipeline.metrics.images import checked, image_metrics
from pipeline.metrics.keys import Floats, Keys, key_scores
from pipeline.metrics.protocol import protocol_areas, protocol_thresholds
from pipeline.metrics.sketch import ImageSketch
from pipeline.metrics.values import PIXEL_METRICS, PixelMetrics

Draws = dict[str, Floats]
"""Metric name to its value in each draw; NaN where a draw leaves it undefined."""

_EDGES = 256
_CHUNK = 100
_UNDEFINED = 0.05


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
    if image_metrics(truth, values).image_auroc is None:
        return {}
    order = np.argsort(-values, kind="stable")
    levels = np.flatnonzero(np.diff(values[order], append=np.nan))
    counts = _multiplicities(truth == 1, draws, seed)[:, order]
    tp = _with_zero(np.cumsum(counts * truth[order], 1)[:, levels])
    fp = _with_zero(np.cumsum(counts * (1 - truth[order]), 1)[:, levels])
    return {
        "image_auroc": curves.auroc(fp, tp),
        "image_ap": curves.average_precision(fp, tp),
        "image_f1_max": curves.f1_max(fp, tp),
    }


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
    counts = _count(sorted(sketches, key=lambda sketch: sketch.order))
    samples = _multiplicities(counts.anomalous, draws, seed)
    plain = _values(counts, np.ones((1, len(sketches))))
    parts = [_values(counts, samples[start : start + _CHUNK]) for start in range(0, draws, _CHUNK)]
    return {
        name: np.clip(np.concatenate([part[name] for part in parts]) + value - plain[name], 0, 1)
        for name, value in exact.items()
    }


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


@dataclass(frozen=True, slots=True)
class _Counts:
    """Sketches counted in common rows: `edges` (E,) scores; the others (N, E + 1), highest row first."""

    edges: npt.NDArray[np.float32]
    low: npt.NDArray[np.float32]
    high: npt.NDArray[np.float32]
    anomalous: npt.NDArray[np.bool_]
    normals: Floats
    hits: Floats
    cover: Floats


def _count(sketches: list[ImageSketch]) -> _Counts:
    edges = np.union1d(
        _quantiles([sketch.normal_keys for sketch in sketches]),
        _quantiles([sketch.hit_keys for sketch in sketches]),
    )
    normals, hits, cover = (np.zeros((len(sketches), edges.size + 1)) for _ in range(3))
    for image, sketch in enumerate(sketches):
        rows = edges.size - np.searchsorted(edges, sketch.normal_keys, "right")
        np.add.at(normals[image], rows, sketch.normals / max(sketch.normal_keys.size, 1))
        rows = edges.size - np.searchsorted(edges, sketch.hit_keys, "right")
        np.add.at(hits[image], rows, sketch.hits)
        np.add.at(cover[image], rows, sketch.cover)
    low = np.array([sketch.low for sketch in sketches])
    high = np.array([sketch.high for sketch in sketches])
    anomalous = np.array([sketch.hits.size > 0 for sketch in sketches])
    return _Counts(key_scores(edges), low, high, anomalous, normals, hits, cover)


def _quantiles(keys: list[Keys]) -> Keys:
    pooled = np.sort(np.concatenate(keys))
    return pooled[np.arange(_EDGES) * pooled.size // _EDGES] if pooled.size else pooled


def _values(counts: _Counts, samples: Floats) -> Draws:
    """All pixel metrics (S,) of samples given as multiplicities (S, N)."""
    fp, tp, cover = (
        _with_zero(np.cumsum(samples @ part, 1)) for part in (counts.normals, counts.hits, counts.cover)
    )
    return {
        "pixel_auroc": curves.auroc(fp, tp),
        "pixel_ap": curves.average_precision(fp, tp),
        "pixel_f1_max": curves.f1_max(fp, tp),
        "pixel_pro": _protocol(counts, samples, fp / fp[:, -1:], cover / cover[:, -1:]),
        "pixel_pro_exact": curves.pro_exact(fp, cover),
    }


def _protocol(counts: _Counts, samples: Floats, fpr: Floats, coverage: Floats) -> Floats:
    """The paper's PRO (S,), with FPR and coverage (S, E + 2) interpolated between the rows."""
    lowest = np.where(samples > 0, counts.low, np.float32(np.inf)).min(1)
    highest = np.where(samples > 0, counts.high, np.float32(-np.inf)).max(1)
    values = np.full(len(samples), np.nan)
    # Few images hold the ends of most samples, and the thresholds depend on the ends alone.
    for low, high in {*zip(lowest, highest, strict=True)}:
        rows = (lowest == low) & (highest == high)
        scores = np.concatenate([[min(low, counts.edges[0])], counts.edges, [max(high, counts.edges[-1])]])
        thresholds = protocol_thresholds(low, high)
        x, y = (_interpolate(thresholds, scores, share[rows, ::-1]) for share in (fpr, coverage))
        values[rows] = protocol_areas(x, y)
    return values


def _interpolate(thresholds: Floats, scores: npt.NDArray[np.float32], shares: Floats) -> Floats:
    """`np.interp` of every row of `shares` (S, P), given at rising `scores` (P,): (S, thresholds)."""
    left = np.clip(np.searchsorted(scores, thresholds, "right") - 1, 0, scores.size - 2)
    ends = scores[left].astype(float), scores[left + 1].astype(float)
    part = np.divide(thresholds - ends[0], ends[1] - ends[0], out=np.ones(left.size), where=ends[1] > ends[0])
    return np.asarray(shares[:, left] + np.clip(part, 0, 1) * (shares[:, left + 1] - shares[:, left]))


def _multiplicities(anomalous: npt.NDArray[np.bool_], draws: int, seed: int) -> Floats:
    """(draws, N) how often each image is drawn."""
    rng = np.random.default_rng(seed)
    counts = np.zeros((draws, anomalous.size))
    for members in (np.flatnonzero(~anomalous), np.flatnonzero(anomalous)):
        picked = members[rng.integers(0, max(members.size, 1), (draws, members.size))]
        np.add.at(counts, (np.arange(draws)[:, None], picked), 1)
    return counts


def _with_zero(counts: Floats) -> Floats:
    return np.pad(counts, ((0, 0), (1, 0)))
