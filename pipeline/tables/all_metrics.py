"""All methods by data set on the seven metrics, and what F1 is at a threshold that was not chosen there.

F1-max takes the best threshold of each subset, which nobody knows who has no labels. What a user really gets
is F1 at a threshold carried over: the one that 5 % of the normal images of an auxiliary set exceed. It is
taken from the set of the pair that the same weights were not tuned on, as scores on the other one are too
good: for what is tuned on MVTec AD, from VisA. On the two sets themselves there is no such set.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.cells import System, members
from pipeline.results import METRICS
from pipeline.results.parquet import read_scores
from pipeline.tables.aggregate import SystemMeans
from pipeline.tables.legend import CARRIED_F1, METRIC_TITLES, legend
from pipeline.tables.mean import Mean, plain_mean
from pipeline.tables.model import AVERAGE, Number, Row, Section, Slot, Table, ranked
from pipeline.tables.outcome import Outcome

FALSE_POSITIVES: Final = 0.05
SEVEN: Final = tuple(metric for metric in METRICS if not metric.startswith("pixel_pro_exact"))

_Scores = Mapping[tuple[str, str, int | None], pd.DataFrame]
"""Method, data set and seed to the rows of its images."""


def all_metrics(outcome: Outcome) -> Table | None:
    """The table of a run; None for a part without methods."""
    part = outcome.only(outcome.methods)
    if not part.means:
        return None
    rows = tuple(_rows(part, Carried(part)))
    titles = [METRIC_TITLES[metric] for metric in SEVEN]
    section = Section(("Data set", "Method", *titles, "image F1, carried over"), rows, text_columns=2)
    lines = (
        "image F1, carried over: at the threshold that "
        f"{100 * FALSE_POSITIVES:.0f} % of the normal images of another set exceed, the auxiliary set that "
        "these weights were not tuned on. `-` on the auxiliary sets themselves.",
        *legend(part, [section]),
    )
    return Table("metrics", "All methods on the seven metrics", part, (section,), lines)


def _rows(part: Outcome, carried: "Carried") -> Iterator[Row]:
    for dataset, record in part.expected.items():
        slots = [_slots(own, dataset, carried) for own in part.means.values()]
        yield from _labelled(part, record.title, slots)
    for division, names in part.divisions.items():
        slots = [_averages(own, division, names) for own in part.means.values()]
        yield from _labelled(part, f"Average, {division}", slots)


def _labelled(part: Outcome, label: str, slots: Sequence[Sequence[Slot]]) -> Iterator[Row]:
    """A row for each system; each metric is ranked among them."""
    by_metric = [ranked(column) for column in zip(*slots, strict=True)]
    for system, row in zip(part.means, zip(*by_metric, strict=True), strict=True):
        yield Row((label, part.title(system)), row)


def _slots(own: SystemMeans, dataset: str, carried: "Carried") -> list[Slot]:
    means = {metric: own.over_subsets(dataset, metric) for metric in SEVEN}
    means[CARRIED_F1] = carried.over_subsets(own, dataset)
    return [(Number(own.system, dataset, metric, mean),) for metric, mean in means.items()]


def _averages(own: SystemMeans, division: str, datasets: Sequence[str]) -> list[Slot]:
    means = {metric: own.over_datasets(datasets, metric) for metric in SEVEN} | {CARRIED_F1: Mean(None)}
    return [(Number(own.system, AVERAGE, metric, mean, division),) for metric, mean in means.items()]


def threshold(normal: NDArray[np.float64], share: float = FALSE_POSITIVES) -> float:
    """The lowest of the scores (N,) of normal images that at most `share` of them exceed.

    Examples:
        >>> threshold(np.arange(20.0), 0.1)
        17.0
    """
    falling = np.sort(normal)[::-1]
    return float(falling[math.floor(share * len(falling))])


def f1(labels: NDArray[np.int8], scores: NDArray[np.float64], above: float) -> float | None:
    """F1 of calling anomalous what scores above a threshold; None where a class is missing.

    Examples:
        >>> f1(np.array([0, 0, 1, 1], np.int8), np.array([0.1, 0.4, 0.3, 0.9]), 0.2)
        0.8
    """
    called, anomalous = scores > above, labels == 1
    if anomalous.all() or not anomalous.any():
        return None
    hits = int((called & anomalous).sum())
    return 2 * hits / int(called.sum() + anomalous.sum())


class Carried:
    """F1 at carried thresholds, of the methods of a run."""

    def __init__(self, part: Outcome) -> None:
        self._scores: _Scores = {}
        self._tuned_on: dict[str, str] = {}
        for own in part.means.values():
            self._tuned_on |= own.auxiliaries()
        if part.scores is not None:
            frame = read_scores(part.scores)
            frame = frame[frame["variant"] == ""]
            groups: Any = frame.groupby(["method", "dataset", "seed"], dropna=False)
            for (method, dataset, seed), rows in groups:
                self._scores[method, dataset, None if pd.isna(seed) else int(seed)] = rows

    def over_subsets(self, own: SystemMeans, dataset: str) -> Mean:
        """Plain mean over subsets and seeds; none where F1-max has none, and where nothing can be carried."""
        best = own.over_subsets(dataset, "image_f1_max")
        if best.value is None:
            return best
        source = self._source(dataset)
        if source is None:
            return Mean(None)
        found = [self._f1s(own.system, source, dataset, seed) for seed in own.seeds]
        values = [value for values in found for value in values]
        known = [value for value in values if value is not None]
        return Mean(plain_mean(known)) if known and len(known) == len(values) else Mean(None)

    def _source(self, dataset: str) -> str | None:
        """The set that thresholds for `dataset` are taken from: tuned on what `dataset` is tuned on."""
        auxiliary = self._tuned_on.get(dataset, "")
        every = {name for other in self._tuned_on.values() for name in members(other)}
        others = sorted(every & self._tuned_on.keys() - {dataset, *members(auxiliary)})
        return others[0] if others and self._tuned_on[others[0]] == auxiliary else None

    def _f1s(self, system: System, source: str, dataset: str, seed: int | None) -> list[float | None]:
        theirs = self._scores.get((system.method, source, seed))
        ours = self._scores.get((system.method, dataset, seed))
        if theirs is None or ours is None:
            return [None]
        normal = theirs.loc[theirs["label"] == 0, "score"].to_numpy(float)
        if not len(normal):
            return [None]
        above = threshold(normal)
        return [
            f1(rows["label"].to_numpy(np.int8), rows["score"].to_numpy(float), above)
            for _, rows in ours.groupby("subset")
        ]
