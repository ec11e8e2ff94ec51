"""Do 95 % intervals hold the truth, and are they no wider than they must? On subsets drawn by a known rule.

    python -m benchmarks coverage            # 2,000 samples a setting at image level, 1,000 at pixel level
    python -m benchmarks coverage --quick    # a tenth of them, and nothing is written

Image scores are normally distributed, anomalous ones higher; in some settings they follow other
distributions of the same AUROC. Maps have a level of their own in each image, smooth noise, and defects of
changing strength and size, so that images differ more than pixels do. The true value is that of a million
images, or of thousands of maps. Of PRO on 200 thresholds, whose range grows with the images, it is the mean
over the samples; F1-max, a maximum, is held against both. The ideal width is that of the interval which knows
how far values of such samples spread: 3.92 standard deviations. One process, fixed seeds.
"""

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.special import ndtri

from benchmarks.common import table, write_section
from pipeline.metrics import ImageMetrics, Interval, PixelState, curves, image_intervals, pixel_intervals
from pipeline.metrics.curves import PIXEL_METRICS

Floats = npt.NDArray[np.float64]
Sample = tuple[Mapping[str, float], Mapping[str, Interval]]
"""The values of a sample and their intervals."""

Draw = Callable[[np.random.Generator, int, int, float], Floats]
"""Scores of so many normal and anomalous images at an AUROC, normal ones first."""

IDEAL = 2 * 1.96
MANY = 1_000_000
SIZE = 56
SUBSETS = 15  # of a data set


def normal(rng: np.random.Generator, normal: int, anomalous: int, auroc: float) -> Floats:
    """Both classes with one variance."""
    return np.append(rng.normal(size=normal), rng.normal(ndtri(auroc) * 2**0.5, 1, anomalous))


def wide(rng: np.random.Generator, normal: int, anomalous: int, auroc: float) -> Floats:
    """Anomalous images spread twice as far as normal ones."""
    return np.append(rng.normal(size=normal), rng.normal(ndtri(auroc) * 5**0.5, 2, anomalous))


def exponential(rng: np.random.Generator, normal: int, anomalous: int, auroc: float) -> Floats:
    """Exponential scores of both classes."""
    return np.append(rng.exponential(1, normal), rng.exponential(auroc / (1 - auroc), anomalous))


def unseen(rng: np.random.Generator, normal: int, anomalous: int, auroc: float) -> Floats:
    """A share of the anomalous images score like normal ones, the others far above."""
    missed = rng.random(anomalous) < (0.999 - auroc) / 0.499
    return np.append(rng.normal(size=normal), rng.normal(np.where(missed, 0, ndtri(0.999) * 2**0.5)))


IMAGES: Sequence[tuple[Draw, int, int, float]] = (
    (normal, 100, 100, 0.90),
    (normal, 20, 60, 0.90),
    (normal, 30, 90, 0.75),
    (normal, 10, 10, 0.80),
    (normal, 20, 60, 0.98),
    (normal, 5, 20, 0.95),
    (normal, 20, 60, 0.995),
    (normal, 20, 60, 0.985),
    (wide, 20, 60, 0.90),
    (exponential, 20, 60, 0.90),
    (unseen, 20, 60, 0.90),
    (unseen, 100, 100, 0.90),
)
"""How scores are distributed, normal and anomalous images, true AUROC."""

PIXELS = ((15, 25), (5, 10))


def image_setting(samples: int, draw: Draw, normals: int, anomalous: int, auroc: float) -> list[list[str]]:
    """Rows of an image setting."""
    rng = np.random.default_rng(1)
    labels = np.repeat([0, 1], [normals, anomalous])
    many = MANY // labels.size
    truth = image_values(np.repeat(labels, many), draw(rng, many * normals, many * anomalous, auroc))
    found = []
    for _ in range(samples):
        scores = draw(rng, normals, anomalous, auroc)
        values = image_values(labels, scores)
        found.append((asdict(values), image_intervals(labels, scores, values)))
    kind = "" if draw is normal else f", {draw.__name__}"
    return list(_rows(f"{normals} + {anomalous} at {auroc}{kind}", asdict(truth), found))


def image_values(labels: npt.NDArray[np.int64], scores: Floats) -> ImageMetrics:
    """What `image_metrics` gives for scores that do not tie, in a hundredth of its time."""
    truth = labels[np.argsort(-scores)]
    fp, tp = (np.append(0, np.cumsum(truth == label)) for label in (0, 1))
    values = (curve(fp, tp) for curve in (curves.auroc, curves.average_precision, curves.f1_max))
    return ImageMetrics(*map(float, values))


def pixel_setting(samples: int, normals: int, anomalous: int) -> list[list[str]]:
    """Rows of a pixel setting."""
    rng = np.random.default_rng(2)
    every = PixelState()
    for _ in range(500):
        every.update(*maps(rng, normals, anomalous))
    found = [_pixel_sample(*maps(rng, normals, anomalous)) for _ in range(samples)]
    return list(_rows(f"{normals} + {anomalous}", asdict(every.finish()), found))


def _pixel_sample(scores: npt.NDArray[np.float32], masks: npt.NDArray[np.uint8]) -> Sample:
    state = PixelState()
    state.update(scores, masks)
    values = state.finish()
    return {name: getattr(values, name) for name in PIXEL_METRICS}, pixel_intervals(state.sketches, values)


def maps(
    rng: np.random.Generator, normals: int, anomalous: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]]:
    """Maps (N, S, S) and masks of so many images; an anomalous one has one to three defects."""
    count = normals + anomalous
    masks = np.zeros((count, SIZE, SIZE), np.uint8)
    for mask in masks[normals:]:
        for _ in range(rng.integers(1, 4)):
            height, width = np.minimum(
                np.exp(rng.normal(np.log(SIZE / 6), 0.5, 2)).astype(int) + 2, SIZE // 2
            )
            top, left = rng.integers(0, SIZE - height), rng.integers(0, SIZE - width)
            mask[top : top + height, left : left + width] = 1
    noise = ndimage.zoom(rng.normal(size=(count, 7, 7)), (1, SIZE / 7, SIZE / 7), order=1)
    level, strength = rng.normal(0, 0.6, (count, 1, 1)), rng.normal(2.2, 1, (count, 1, 1))
    logits = level + noise + strength * masks - 1.5
    return ndimage.gaussian_filter(4 / (1 + np.exp(-logits)), (0, 0.4, 0.4)).astype(np.float32), masks


def _rows(setting: str, truth: Mapping[str, Any], samples: Sequence[Sample]) -> Iterator[list[str]]:
    for metric in samples[0][0]:
        values = np.array([found[metric] for found, _ in samples])
        ends = np.array([intervals[metric] for _, intervals in samples])
        if metric != "pixel_pro":
            yield [f"{setting}: {metric}", *_row(values, ends, truth[metric])]
        if metric in ("image_f1_max", "pixel_pro"):
            yield [f"{setting}: {metric}, mean of samples", *_row(values, ends, float(values.mean()))]


def _row(values: Floats, ends: Floats, truth: float) -> list[str]:
    errors, low, high = ends.T
    spread = values.std()
    return [
        f"{np.mean((low <= truth) & (truth <= high)):.3f}",
        f"{np.mean(low > truth):.3f}",
        f"{np.mean(high < truth):.3f}",
        f"{np.mean(high - low) / (IDEAL * spread):.2f}",
        f"{errors.mean() / spread:.2f}",
        f"{100 * errors.min():.2f}",
        f"{_mean_coverage(values, errors, truth):.3f}",
    ]


def _mean_coverage(values: Floats, errors: Floats, truth: float) -> float:
    """Of the intervals of means over `SUBSETS` such subsets."""
    whole = values.size // SUBSETS * SUBSETS
    means = values[:whole].reshape(-1, SUBSETS).mean(1)
    half = 1.96 * np.sqrt((errors[:whole] ** 2).reshape(-1, SUBSETS).sum(1)) / SUBSETS
    return float(np.mean(np.abs(means - truth) <= half))


def options(parser: argparse.ArgumentParser) -> None:
    """What may be chosen."""
    parser.add_argument("--quick", action="store_true", help="a tenth of the samples")


def run(arguments: argparse.Namespace) -> None:
    """Measure and print; all samples also write the section of RESULTS.md."""
    part = 10 if arguments.quick else 1
    rows = [row for it in IMAGES for row in image_setting(2000 // part, *it)]
    rows += [row for it in PIXELS for row in pixel_setting(1000 // part, *it)]
    head = ["setting", "coverage", "too high", "too low", "width", "error", "least error", "mean of 15"]
    if arguments.quick:
        print(table(head, rows))
    else:
        write_section("coverage", "Coverage of intervals", table(head, rows))
