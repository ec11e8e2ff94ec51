"""A mean with what is known of its uncertainty: over draws of test images, and over trainings.

Test images: a mean over independent subsets has the standard error sqrt(sum of squares) / number. Seeds see
the same images, so their standard errors are averaged, not divided. Trainings: from three seeds on the spread
is measured; with fewer, only what is usual is known, and that enters no interval, but what two runs are
compared with (`verdicts`, `significance`). Intervals are Student's where the spread between trainings is
measured, otherwise normal, and clipped to the metric's range; a single cell keeps its own interval.

How far two trainings of one learnt method are known to differ (`retraining`), of subsets: the paper against
the authors' log of their released checkpoint, AnomalyCLIP on MVTec AD and VisA (`published/appendix`). The
image AUROC of its 27 subsets differs by 0.71 points (standard deviation), the image AP of the 12 that have
one by 0.68: two trainings each, so divided by sqrt(2). Of data sets: image AUROC, image AP and pixel AUROC of
public retrainings (`thirdparty_reruns.csv`) stay within one point of the paper, taken as 95 % of cases, 1.96
sqrt(2) deviations. PRO is reported up to 7 points lower by those who trained the authors' code anew (issues
7, 33 and 67 of zqhang/AnomalyCLIP). Of the other metrics nobody has published two trainings.
"""

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from scipy.special import stdtrit

LEVEL: Final = 0.95
Z: Final = statistics.NormalDist().inv_cdf((1 + LEVEL) / 2)

MEASURED_FROM: Final = 3
"""Seeds from which on their spread is trusted."""

_SUBSET: Final = {"image_auroc": 0.0050, "image_ap": 0.0048}
_DATASET: Final = dict.fromkeys(("image_auroc", "image_ap", "pixel_auroc"), 0.0036)
_LARGEST: Final = {"pixel_pro": 0.07}


class Retraining(NamedTuple):
    """What is known of another training.

    Attributes:
        known: `usual` where the spread is known, `largest` where one large difference is, `nothing`.
        deviation: standard deviation of a training, as a share; where it is not known, as if the largest
            difference between two trainings that is known of any metric were rare.
        largest: largest difference between two trainings, as a share; None where no other is known.
    """

    known: Literal["usual", "largest", "nothing"]
    deviation: float
    largest: float | None = None


def retraining(metric: str, subsets: int) -> Retraining:
    """What is known of `metric` as a mean over so many subsets."""
    usual = (_SUBSET if subsets == 1 else _DATASET).get(metric)
    if usual is not None:
        return Retraining("usual", usual)
    largest = _LARGEST.get(metric)
    rare = (largest or max(_LARGEST.values())) / (Z * math.sqrt(2))
    return Retraining("nothing" if largest is None else "largest", rare, largest)


@dataclass(frozen=True)
class Mean:
    """A mean, or none: then `missing` says why, or is `None` where the metric is undefined by nature.

    Attributes:
        value: as a share; a difference of shares may be negative.
        se: standard error over draws of test images, `None` where not known.
        by_seed: the value of each training; empty where nothing is learnt.
        seeds: their seeds.
        retrained: usual standard deviation between trainings, for when seeds are too few to measure it.
        ends: a cell's own interval, which replaces the normal one.
        least: the lowest value that there can be.
    """

    value: float | None
    missing: str | None = None
    se: float | None = None
    by_seed: tuple[float, ...] = ()
    seeds: tuple[int, ...] = ()
    retrained: float = 0.0
    ends: tuple[float, float] | None = None
    least: float = 0.0

    @property
    def training_se(self) -> float | None:
        """Standard error over trainings, measured or usual; `None` where nothing is learnt."""
        if not self.by_seed:
            return None
        spread = statistics.stdev(self.by_seed) if self.seeds_measured else self.retrained
        return spread / math.sqrt(len(self.by_seed))

    @property
    def seeds_measured(self) -> bool:
        """Whether there are enough seeds to measure the spread between trainings."""
        return len(self.by_seed) >= MEASURED_FROM

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval: test images, and trainings where their spread is measured."""
        if self.value is None or self.se is None:
            return None
        if self.ends is not None:
            return self.ends
        trainings = (self.training_se or 0.0) if self.seeds_measured else 0.0
        error = math.hypot(self.se, trainings)
        half = error * student(satterthwaite(error**2, [(trainings, len(self.by_seed))]))
        return max(self.least, self.value - half), min(1.0, self.value + half)


def plain_mean(values: Sequence[float]) -> float:
    """Mean by an exact sum, so that the order of rows cannot move a digit."""
    return math.fsum(values) / len(values)


def independent_se(errors: Sequence[float | None]) -> float | None:
    """Standard error of a mean over independent parts; `None` where one part has none."""
    known = [error for error in errors if error is not None]
    return math.hypot(*known) / len(errors) if len(known) == len(errors) else None


def satterthwaite(variance: float, trainings: Iterable[tuple[float, int]]) -> float:
    """Degrees of freedom of a variance (Satterthwaite, Biometrics Bulletin 2, 1946).

    Args:
        variance: the whole of it, in any unit; what is no part of `trainings` counts as known exactly.
        trainings: the parts that are measured over few seeds: standard error in that unit, number of seeds.

    Returns:
        At least 1; infinite where no part is uncertain.
    """
    uncertain = math.fsum(error**4 / (seeds - 1) for error, seeds in trainings if error)
    return variance**2 / uncertain if uncertain else math.inf


def mean_of_means(means: Sequence[Mean], values: Sequence[float]) -> Mean:
    """Mean over data sets that all have a value; a seed counts as one training of all of them."""
    by_seed = tuple(plain_mean(seed) for seed in zip(*(mean.by_seed for mean in means), strict=False))
    return Mean(
        plain_mean(values),
        se=independent_se([mean.se for mean in means]),
        by_seed=by_seed,
        seeds=means[0].seeds,
        retrained=independent_se([mean.retrained for mean in means]) or 0.0,
        ends=means[0].ends if len(means) == 1 else None,
    )


def difference(ours: Mean, theirs: Mean) -> Mean:
    """What `ours` gains, where both have a value; their errors are taken as independent."""
    if ours.value is None or theirs.value is None:
        return Mean(None)
    known = ours.se is not None and theirs.se is not None
    return Mean(
        ours.value - theirs.value,
        se=math.hypot(ours.se or 0.0, theirs.se or 0.0) if known else None,
        by_seed=tuple(mine - other for mine, other in zip(ours.by_seed, theirs.by_seed, strict=False)),
        seeds=ours.seeds,
        retrained=math.hypot(ours.retrained, theirs.retrained),
        least=-1.0,
    )


def student(freedom: float) -> float:
    """Half the width of a 95 % interval in standard errors."""
    return Z if math.isinf(freedom) else float(stdtrit(freedom, (1 + LEVEL) / 2))
