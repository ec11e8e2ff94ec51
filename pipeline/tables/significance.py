"""Is a moved value more than noise? One rule, for `zsad diff`.

The noise of a difference of two runs is what both standard errors say, over test images and, where a method
is learnt, over trainings (`mean`). Where image scores of both sides are at hand, the images are the same
ones, and their part is the standard error of the paired difference instead.

- Other seeds are another training. How far trainings differ is known from three seeds on, on both sides;
  with fewer, runs with other seeds are not judged: nobody could tell a regression from luck.
- A value without a standard error is not judged either.
- Spreads of few seeds are uncertain: p-values are Student's, with Satterthwaite's degrees of freedom.
- Many values are looked at together: Holm's bound, at 5 % for each level (cells, data sets, averages) among
  the values that moved at all, be it within the tolerance.


How far image metrics of two runs would move apart with another draw of the images that they share.

Both sides are drawn alike (`image_draws` with one seed), so what the runs have in common cancels. Pixel
metrics have no such pairing: their maps are not kept.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeVar, cast

import numpy as np
import pandas as pd
from scipy.special import stdtr

from pipeline.metrics import Draws, image_draws, standard_error
from pipeline.tables.mean import MEASURED_FROM, satterthwaite

ALPHA: Final = 0.05

_Key = TypeVar("_Key")


@dataclass(frozen=True)
class Measured:
    """A value in points.

    Attributes:
        se: standard error over test images, `None` where not known.
        training_se: over trainings, 0 where nothing is learnt.
        seeds: of the trainings.
    """

    value: float
    se: float | None
    training_se: float = 0.0
    seeds: tuple[str, ...] = ()

    @property
    def seeds_measured(self) -> bool:
        """Whether there are enough seeds to measure the spread between trainings."""
        return len(self.seeds) >= MEASURED_FROM


@dataclass(frozen=True)
class Noise:
    """What a difference is held against: its standard deviation in points, and the degrees of freedom."""

    deviation: float
    freedom: float = math.inf

    def p_value(self, difference: float) -> float:
        """Two-sided p-value of a difference in points; without any noise, 0 for whatever moved."""
        if self.deviation == 0:
            return 0.0
        ratio = abs(difference) / self.deviation
        if math.isinf(self.freedom):
            return math.erfc(ratio / math.sqrt(2))
        return 2 * float(stdtr(self.freedom, -ratio))


def noise(before: Measured, after: Measured, paired: float | None = None) -> Noise | None:
    """The noise of a difference when nothing but images and trainings changed; `None` where not known.

    Args:
        before: one side.
        after: the other.
        paired: standard error of the difference over draws of the images that both sides share.
    """
    sides = before, after
    if before.seeds != after.seeds and not all(side.seeds_measured for side in sides):
        return None
    images = _images(before, after) if paired is None else paired
    if images is None:
        return None
    variance = math.fsum([images**2, *(side.training_se**2 for side in sides)])
    measured = [(side.training_se, len(side.seeds)) for side in sides if side.seeds_measured]
    return Noise(math.sqrt(variance), satterthwaite(variance, measured))


def significant(p_values: Mapping[_Key, float]) -> set[_Key]:
    """Which of the values that moved did so by more than noise, by Holm's step-down rule.

    Examples:
        >>> sorted(significant({"mvtec": 0.001, "visa": 0.02, "btad": 0.03}))
        ['btad', 'mvtec', 'visa']
        >>> sorted(significant({"mvtec": 0.001, "visa": 0.03, "btad": 0.03}))
        ['mvtec']
    """
    found: set[_Key] = set()
    for rank, (key, p) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        if p > ALPHA / (len(p_values) - rank):
            break
        found.add(key)
    return found


def _images(before: Measured, after: Measured) -> float | None:
    if before.se is None or after.se is None:
        return None
    return math.hypot(before.se, after.se)


CellName = tuple[str, str, str, str]
"""Data set, subset, method, variant."""

_DRAWS: Final = 500
_CELL: Final = ["dataset", "subset", "method", "variant"]


def paired_errors(before: pd.DataFrame, after: pd.DataFrame) -> dict[tuple[CellName, str], float]:
    """Standard errors of differences in points, by cell and metric.

    Args:
        before: rows of `pipeline.results.parquet.read_scores`, of any number of seeds.
        after: those of the other run.

    Returns:
        What both sides have on the same images with the same labels; values are means over seeds.
    """
    groups = _by_cell(before), _by_cell(after)
    errors: dict[tuple[CellName, str], float] = {}
    for cell in groups[0].keys() & groups[1].keys():
        sides = [_by_seed(group[cell]) for group in groups]
        if not _same_images([*sides[0], *sides[1]]):
            continue
        first, second = (_mean_draws(side) for side in sides)
        for metric in first.keys() & second.keys():
            error = standard_error(second[metric] - first[metric])
            if error is not None:
                errors[cell, metric] = 100 * error
    return errors


def _by_cell(scores: pd.DataFrame) -> dict[CellName, pd.DataFrame]:
    return {cast("CellName", cell): rows for cell, rows in scores.groupby(_CELL, sort=False)}


def _by_seed(rows: pd.DataFrame) -> list[pd.DataFrame]:
    return [group for _, group in rows.groupby("seed", dropna=False)]


def _same_images(frames: list[pd.DataFrame]) -> bool:
    first, *others = ([*zip(frame["image"], frame["label"], strict=True)] for frame in frames)
    return all(other == first for other in others)


def _mean_draws(seeds: list[pd.DataFrame]) -> Draws:
    series = [_draws(seed) for seed in seeds]
    return {metric: np.mean([it[metric] for it in series], axis=0) for metric in series[0]}


def _draws(rows: pd.DataFrame) -> Draws:
    return image_draws(rows["label"].to_numpy(int), rows["score"].to_numpy(float), draws=_DRAWS)
