"""The means of one system: over the subsets of a data set, then over seeds; and over data sets.

A mean exists only over everything that was expected. Where a subset is missing, failed or undefined there is
no mean but the reason, in the words of a footnote: which cells, and what became of them. A metric that a data
set does not have (no masks, no normal images) is undefined and needs no reason. What a mean knows of its
uncertainty is said in `mean`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Final

from pipeline.cells import CellKey, System, names_by_reason
from pipeline.results import CellRow, ResultsError
from pipeline.tables.expected import Expected, ExpectedSet
from pipeline.tables.mean import (
    Mean,
    independent_se,
    mean_of_means,
    plain_mean,
)
from pipeline.tables.trainings import retraining

NOT_RUN: Final = "not run"

_LONGEST_ERROR: Final = 160  # characters


class SystemMeans:
    """The means of one system, as shares in [0, 1].

    Args:
        system: whose.
        rows: its rows, each cell once; none for a system that was not run.
        expected: what the run ought to contain. Its seeds are those that occur in any row.

    Attributes:
        track: of all its rows, and its `protocol`; see `pipeline.results.RuleColumns`.

    Raises:
        ResultsError: rows of two tracks, or of two protocols: no mean is over both.
    """

    def __init__(self, system: System, rows: Iterable[CellRow], expected: Expected) -> None:
        self.system = system
        self._rows: dict[CellKey, CellRow] = {row.key: row for row in rows}
        self._expected = expected
        self._one_of("track")
        self.track = next((row.track for row in self.rows if row.track), None)
        self._one_of("protocol")
        self.protocol = next((row.protocol for row in self.rows if row.status == "ok"), None)
        seeds = {row.seed for row in self.rows}
        self.seeds: tuple[int | None, ...] = tuple(
            sorted(seeds, key=lambda seed: -1 if seed is None else seed)
        )

    def _one_of(self, column: str) -> None:
        found = sorted({str(getattr(row, column)) for row in self.rows if row.status == "ok"})
        if len(found) > 1:
            raise ResultsError(
                f"{self.system.name}: its rows have the {column} {' and '.join(found)}, which no mean joins; "
                "run `dvc repro evaluate` again"
            )

    @property
    def rows(self) -> Iterable[CellRow]:
        """Every row that it has, failed ones included."""
        return self._rows.values()

    @cached_property
    def title(self) -> str | None:
        """What its method calls itself; None where no row says so."""
        return next((row.title for row in self.rows if row.title), None)

    def ran_on(self, dataset: str) -> bool:
        """Whether it has a row on a data set, be it a failed one."""
        return any(row.dataset == dataset for row in self.rows)

    def expected(self, dataset: str) -> ExpectedSet:
        """What the run ought to contain of a data set."""
        return self._expected[dataset]

    def cells(self, dataset: str) -> dict[CellKey, CellRow | None]:
        """Every cell that its mean of a data set is over, with its row; none for a system not run."""
        return self._cells(dataset, self._expected[dataset].subsets)

    def over_seeds(self, dataset: str, subset: str, metric: str) -> Mean:
        """Mean of one subset over seeds."""
        return self._mean(dataset, (subset,), metric)

    def over_subsets(self, dataset: str, metric: str) -> Mean:
        """Mean of a data set over its subsets (paper, section 4.1) and seeds, all with equal weight."""
        return self._mean(dataset, self._expected[dataset].subsets, metric)

    def over_datasets(self, datasets: Iterable[str], metric: str) -> Mean:
        """Mean over the data sets that have `metric`: each counts once, whatever its number of subsets."""
        chosen = [name for name in datasets if metric in self._expected[name].metrics]
        means = [self.over_subsets(name, metric) for name in chosen]
        known = [mean.value for mean in means if mean.value is not None]
        if len(known) < len(chosen):
            absent = [name for name, mean in zip(chosen, means, strict=True) if mean.value is None]
            return Mean(None, f"no value on {_listing(absent, len(chosen), 'data sets')}")
        return mean_of_means(means, known) if known else Mean(None)

    def auxiliaries(self) -> dict[str, str]:
        """What the method was tuned on, by the data set that it was measured on; empty if untrained."""
        rows = sorted(self.rows, key=lambda row: row.dataset)
        return {row.dataset: row.auxiliary for row in rows if row.auxiliary is not None}

    def counts(self, dataset: str) -> dict[str, tuple[int, int]]:
        """(normal, anomalous) test images that it was measured on, by subset; failed subsets are left out."""
        return {row.subset: counts for row, counts in self._counted(dataset)}

    def builds(self, dataset: str) -> dict[str, tuple[str, tuple[int, int]]]:
        """Subset to (fingerprint, (normal, anomalous) images), where it was measured."""
        counted = self._counted(dataset)
        return {row.subset: (row.build, counts) for row, counts in counted if row.build is not None}

    def _counted(self, dataset: str) -> Iterator[tuple[CellRow, tuple[int, int]]]:
        for row in self.rows:
            if row.dataset == dataset and row.n_normal is not None and row.n_anomalous is not None:
                yield row, (row.n_normal, row.n_anomalous)

    def _cells(self, dataset: str, subsets: Sequence[str]) -> dict[CellKey, CellRow | None]:
        """Seed by seed."""
        keys = [CellKey(dataset, subset, *self.system, seed) for seed in self.seeds for subset in subsets]
        return {key: self._rows.get(key) for key in keys}

    def _mean(self, dataset: str, subsets: Sequence[str], metric: str) -> Mean:
        if metric not in self._expected[dataset].metrics:
            return Mean(None)
        if not self._rows:
            return Mean(None, NOT_RUN)
        cells = self._cells(dataset, subsets)
        rows = list(cells.values())
        values: list[float | None] = [None if row is None else getattr(row, metric) for row in rows]
        known = [value for value in values if value is not None]
        if len(known) == len(cells):
            return self._known(known, [row for row in rows if row is not None], metric)
        if not known and all(row is not None and row.status == "ok" for row in rows):
            return Mean(None)
        return Mean(None, _reason(cells, metric))

    def _known(self, values: Sequence[float], rows: Sequence[CellRow], metric: str) -> Mean:
        """The mean of `values`, of all subsets with the first seed, then with the next one, and so on."""
        count = len(values) // len(self.seeds)
        spreads = [row.spread(metric) for row in rows]
        errors = [None if spread is None else spread.se for spread in spreads]
        # Seeds see the same images: their errors go together.
        subsets = [_all_or_none(errors[start::count]) for start in range(count)]
        learnt = tuple(seed for seed in self.seeds if seed is not None)
        trainings = [values[start : start + count] for start in range(0, len(learnt) * count, count)]
        (only, *others) = spreads
        return Mean(
            plain_mean(values),
            se=independent_se(subsets),
            by_seed=tuple(plain_mean(training) for training in trainings),
            seeds=learnt,
            retrained=retraining(metric, count).deviation if learnt else 0.0,
            ends=None if others or only is None else (only.low, only.high),
        )


def why_absent(row: CellRow | None) -> str | None:
    """Why a cell has no result; None where it has one."""
    if row is None:
        return "missing"
    reason = _one_line(row.error or "")
    if row.is_left_out:
        return reason
    return f"failed ({reason})" if row.status == "failed" else None


def _reason(cells: Mapping[CellKey, CellRow | None], metric: str) -> str:
    """Why cells of a data set have no mean of `metric`, such as `1 of 15 subsets (bottle): missing`."""
    if not any(cells.values()):
        return NOT_RUN
    one_seed = len({key.seed for key in cells}) == 1
    kinds = names_by_reason(
        (key.subset if one_seed else f"{key.subset} with seed {key.seed}", kind)
        for key, row in cells.items()
        if (kind := _kind(row, metric)) is not None
    )
    if len(cells) == 1:
        return next(iter(kinds))
    unit = "subsets" if one_seed else "cells"
    return "; ".join(f"{_listing(names, len(cells), unit)}: {kind}" for kind, names in kinds.items())


def _kind(row: CellRow | None, metric: str) -> str | None:
    return why_absent(row) or ("undefined" if getattr(row, metric) is None else None)


def _listing(names: Sequence[str], total: int, unit: str) -> str:
    """Such as `2 of 15 subsets (bottle, cable)`."""
    return f"{len(names)} of {total} {unit} ({', '.join(names)})"


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_ERROR else f"{line[:_LONGEST_ERROR]}..."


def _all_or_none(errors: Sequence[float | None]) -> float | None:
    known = [error for error in errors if error is not None]
    return plain_mean(known) if len(known) == len(errors) else None
