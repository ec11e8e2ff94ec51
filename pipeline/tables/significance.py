"""Is a moved value more than noise, and how far would it have had to move? One rule, for `zsad diff`.

The noise of a difference of two runs is what both standard errors say, over test images and, where a method
is learnt, over trainings (`mean`). Where image scores of both sides are at hand, the images are the same
ones, and their part is the standard error of the paired difference instead: the same images are left out on
both sides (`image_series`), so what the runs have in common cancels. Maps are not kept, so pixel metrics
have no such pairing.

- Other seeds are another training. How far trainings differ is known from three seeds on, on both sides;
  with fewer, runs with other seeds are not judged: nobody could tell a regression from luck.
- A value without a standard error is not judged either, nor one whose images all say the same.
- Spreads of few seeds are uncertain: p-values are Student's, with Satterthwaite's degrees of freedom.
- Many values are looked at together: Holm's bound, at 5 % for each level (cells, data sets, averages) among
  the values that moved at all, be it within the tolerance.
- What could be seen at all is the difference that is found in four of five cases under the first and
  strictest of these bounds (Cohen, Statistical Power Analysis, 1988).
"""

import math
from collections.abc import Hashable, Iterator, Mapping
from typing import Any, Final, TypeVar

import numpy as np
import pandas as pd
from scipy.special import stdtr, stdtrit

from pipeline.cells import CellKey
from pipeline.metrics import LeftOut, Series, image_series
from pipeline.tables.mean import MEASURED_FROM, satterthwaite
from pipeline.tables.values import Value

ALPHA: Final = 0.05
POWER: Final = 0.8
OTHER_SEEDS: Final = (
    f"other seeds, and fewer than {MEASURED_FROM} of them: another training may move it as much"
)
NO_ERROR: Final = "no standard error: too few test images, or none of them moves the value"

_CELL: Final = ["dataset", "subset", "method", "variant"]

Noise = tuple[float, float]
"""What a difference is held against: its standard deviation in points, and the degrees of freedom."""

_Key = TypeVar("_Key", bound=Hashable)


def noise(before: Value, after: Value, paired: float | None = None) -> Noise | str:
    """The noise of a difference when nothing but images and trainings changed, or why it is not known.

    Args:
        before: one side.
        after: the other.
        paired: standard error of the difference over draws of the images that both sides share, in points.
    """
    sides = before, after
    seeds = [len(side.seeds.split()) for side in sides]
    if before.seeds != after.seeds and min(seeds) < MEASURED_FROM:
        return OTHER_SEEDS
    if paired is None:
        if not (before.se and after.se):
            return NO_ERROR
        paired = math.hypot(float(before.se), float(after.se))
    trainings = [float(side.training_se or 0) for side in sides]
    variance = math.fsum([paired**2, *(error**2 for error in trainings)])
    if not variance:
        return NO_ERROR
    measured = [pair for pair in zip(trainings, seeds, strict=True) if pair[1] >= MEASURED_FROM]
    return math.sqrt(variance), satterthwaite(variance, measured)


def p_value(difference: float, against: Noise) -> float:
    """Two-sided p-value of a difference in points."""
    deviation, freedom = against
    ratio = abs(difference) / deviation
    if math.isinf(freedom):
        return math.erfc(ratio / math.sqrt(2))
    return 2 * float(stdtr(freedom, -ratio))


def detectable(against: Noise, values: int) -> float:
    """Smallest difference in points that is found with probability `POWER` when so many values are judged.

    Examples:
        >>> round(detectable((1.0, math.inf), 1), 2)
        2.8
    """
    deviation, freedom = against
    least, share = (float(stdtrit(min(freedom, 1e9), it)) for it in (1 - ALPHA / values / 2, POWER))
    return deviation * (least + share)


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


class PairedScores:
    """Image scores of two runs, compared on the images that both have.

    Args:
        before: rows of `pipeline.results.parquet.read_scores`, of any number of seeds.
        after: those of the other run.
    """

    def __init__(self, before: pd.DataFrame, after: pd.DataFrame) -> None:
        self._groups = _by_cell(before), _by_cell(after)
        self._errors: dict[CellKey, dict[str, float]] = {}

    def errors(self, cell: CellKey) -> dict[str, float]:
        """Standard errors of the differences of a cell in points, by metric; computed when first asked for.

        Values are means over seeds, so the key has none. Nothing where images or labels differ.
        """
        if cell not in self._errors:
            self._errors[cell] = dict(self._drawn(cell))
        return self._errors[cell]

    def _drawn(self, cell: CellKey) -> Iterator[tuple[str, float]]:
        if not all(cell in group for group in self._groups):
            return
        sides = [_by_seed(group[cell]) for group in self._groups]
        if not _same_images([*sides[0], *sides[1]]):
            return
        first, second = (_mean_series(side) for side in sides)
        for metric in first.keys() & second.keys():
            parts = [after - before for before, after in zip(first[metric], second[metric], strict=True)]
            moved = LeftOut(*parts)
            # Images that all move the value alike, and move it, say nothing of other images.
            if moved.variance or (moved.variance == 0 and not any(part.any() for part in parts)):
                yield metric, 100 * math.sqrt(moved.variance)


def _by_cell(scores: pd.DataFrame) -> dict[CellKey, pd.DataFrame]:
    groups: Any = scores.groupby(_CELL, sort=False)
    return {
        CellKey(dataset, subset, method, variant, None): rows
        for (dataset, subset, method, variant), rows in groups
    }


def _by_seed(rows: pd.DataFrame) -> list[pd.DataFrame]:
    return [group for _, group in rows.groupby("seed", dropna=False)]


def _same_images(frames: list[pd.DataFrame]) -> bool:
    first, *others = ([*zip(frame["image"], frame["label"], strict=True)] for frame in frames)
    return all(other == first for other in others)


def _mean_series(seeds: list[pd.DataFrame]) -> Series:
    every = [image_series(seed["label"].to_numpy(int), seed["score"].to_numpy(float)) for seed in seeds]
    return {
        metric: LeftOut(
            *(np.mean(parts, axis=0) for parts in zip(*(it[metric] for it in every), strict=True))
        )
        for metric in every[0]
    }
