"""Why a mean is not there, in the words of a footnote: which cells are missing, failed or undefined.

Knows only the cells that a mean is over and their rows.


Plain means: over the subsets of a data set, then over seeds; and over data sets.

A mean exists only over everything that was expected. Where a subset is missing, failed or undefined, there is
no mean but the reason (`gaps`), which the tables print. A metric that a data set does not have (no masks, no
normal images) is undefined and needs no reason. What a mean knows of its uncertainty is said in `mean`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import pandas as pd

from pipeline.results import CellRow, ResultsError
from pipeline.results.parquet import cell_rows
from pipeline.tables.expected import Expected, ExpectedSet
from pipeline.tables.mean import (
    RETRAINED_DATASET,
    RETRAINED_SUBSET,
    Mean,
    independent_se,
    mean_of_means,
    plain_mean,
)

NOT_RUN: Final = "not run"

_LONGEST_ERROR: Final = 160  # characters

Cell = tuple[str, str, int | None]
"""Data set, subset, seed."""


def gap_reason(cells: Sequence[Cell], rows: Sequence[CellRow | None], metric: str) -> str:
    """Why `cells` have no mean of `metric`, such as `1 of 15 subsets (bottle): missing`.

    Args:
        cells: those that the mean is over, of one data set; at least one has no value.
        rows: the row of each, `None` where there is none.
        metric: the metric.
    """
    if not any(rows):
        return NOT_RUN
    one_seed = len({seed for _, _, seed in cells}) == 1
    kinds: dict[str, list[str]] = {}
    for (_, subset, seed), row in zip(cells, rows, strict=True):
        if (kind := _kind(row, metric)) is not None:
            kinds.setdefault(kind, []).append(subset if one_seed else f"{subset} with seed {seed}")
    if len(cells) == 1:
        return next(iter(kinds))
    unit = "subsets" if one_seed else "cells"
    return "; ".join(f"{listing(names, len(cells), unit)}: {kind}" for kind, names in kinds.items())


def listing(names: Sequence[str], total: int, unit: str) -> str:
    """Such as `2 of 15 subsets (bottle, cable)`."""
    return f"{len(names)} of {total} {unit} ({', '.join(names)})"


def why_absent(row: CellRow | None) -> str | None:
    """Why a cell has no result; None where it has one."""
    if row is None:
        return "missing"
    return f"failed ({_one_line(row.error or '')})" if row.status == "failed" else None


def _kind(row: CellRow | None, metric: str) -> str | None:
    return why_absent(row) or ("undefined" if getattr(row, metric) is None else None)


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_ERROR else f"{line[:_LONGEST_ERROR]}..."


@dataclass(frozen=True)
class Entry:
    """A method, or with `variant` an ablation of one."""

    method: str
    variant: str

    @property
    def name(self) -> str:
        """Such as `anomalyclip`, or `anomalyclip[no_dpam]`."""
        return f"{self.method}[{self.variant}]" if self.variant else self.method


class EntryMeans:
    """The means of one method or variant, as shares in [0, 1].

    Args:
        cells: its rows by data set, subset and seed; none for an entry that was not run.
        expected: what the run ought to contain. Its seeds are those that occur in any row.
    """

    def __init__(self, cells: Mapping[Cell, CellRow], expected: Expected) -> None:
        self._cells = cells
        self._expected = expected
        seeds = {seed for _, _, seed in cells}
        self.seeds: tuple[int | None, ...] = tuple(
            sorted(seeds, key=lambda seed: -1 if seed is None else seed)
        )

    def ran_on(self, dataset: str) -> bool:
        """Whether it has a row on a data set, be it a failed one."""
        return any(name == dataset for name, _, _ in self._cells)

    def ran_in(self, domain: str) -> bool:
        """Whether it has a row on a data set of `domain`."""
        return any(self._expected[name].domain == domain for name, _, _ in self._cells)

    def cells(self, dataset: str) -> dict[Cell, CellRow | None]:
        """Every cell that its mean of a data set is over, with its row; none for an entry not run."""
        return self._rows(dataset, self._expected[dataset].subsets)

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
            return Mean(None, f"no value on {listing(absent, len(chosen), 'data sets')}")
        return mean_of_means(means, known) if known else Mean(None)

    def expected(self, dataset: str) -> ExpectedSet:
        """What the run ought to contain of a data set."""
        return self._expected[dataset]

    def counts(self, dataset: str) -> dict[str, tuple[int, int]]:
        """(normal, anomalous) test images that it was measured on, by subset; failed subsets are left out."""
        return {
            row.subset: (row.n_normal, row.n_anomalous)
            for row in self._cells.values()
            if row.dataset == dataset and row.n_normal is not None and row.n_anomalous is not None
        }

    def auxiliaries(self) -> dict[str, str]:
        """What the method was tuned on, by the data set that it was measured on; empty if untrained."""
        rows = sorted(self._cells.values(), key=lambda row: row.dataset)
        return {row.dataset: row.auxiliary for row in rows if row.auxiliary is not None}

    def builds(self, dataset: str) -> dict[str, tuple[str, tuple[int, int]]]:
        """Subset to (fingerprint, (normal, anomalous) images), where it was measured."""
        return {
            row.subset: (row.build, (row.n_normal, row.n_anomalous))
            for row in self._cells.values()
            if row.dataset == dataset
            and row.build is not None
            and row.n_normal is not None
            and row.n_anomalous is not None
        }

    def _mean(self, dataset: str, subsets: Sequence[str], metric: str) -> Mean:
        if metric not in self._expected[dataset].metrics:
            return Mean(None)
        if not self._cells:
            return Mean(None, NOT_RUN)
        cells = self._rows(dataset, subsets)
        rows = list(cells.values())
        values: list[float | None] = [None if row is None else getattr(row, metric) for row in rows]
        known = [value for value in values if value is not None]
        if len(known) == len(cells):
            return self._known(known, [row for row in rows if row is not None], metric)
        if not known and all(row is not None and row.status == "ok" for row in rows):
            return Mean(None)
        return Mean(None, gap_reason(list(cells), rows, metric))

    def _rows(self, dataset: str, subsets: Sequence[str]) -> dict[Cell, CellRow | None]:
        """Seed by seed."""
        cells = [(dataset, subset, seed) for seed in self.seeds for subset in subsets]
        return {cell: self._cells.get(cell) for cell in cells}

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
            retrained=0.0 if not learnt else RETRAINED_SUBSET if count == 1 else RETRAINED_DATASET,
            ends=None if others or only is None else (only.low, only.high),
        )


def entry_means(metrics: pd.DataFrame, expected: Expected) -> dict[Entry, EntryMeans]:
    """The means of every method and variant that was run.

    Args:
        metrics: rows as `pipeline.results.parquet.read_metrics` returns them.
        expected: what the run ought to contain.

    Raises:
        ResultsError: there is no row, a cell occurs twice, or a row belongs to nothing that was expected.
    """
    cells: dict[Entry, dict[Cell, CellRow]] = {}
    for row in cell_rows(metrics):
        if row.dataset not in expected or row.subset not in expected[row.dataset].subsets:
            raise ResultsError(f"{row.name}: not part of this run; run `dvc repro evaluate` again")
        own = cells.setdefault(Entry(row.method, row.variant), {})
        cell = (row.dataset, row.subset, row.seed)
        if cell in own:
            raise ResultsError(f"{row.name}: this cell occurs twice; each may have one result")
        own[cell] = row
    if not cells:
        raise ResultsError("no results to tabulate; run `dvc repro evaluate` first")
    return {entry: EntryMeans(own, expected) for entry, own in cells.items()}


def chosen_means(
    entries: Iterable[Entry], means: Mapping[Entry, EntryMeans], expected: Expected
) -> dict[Entry, EntryMeans]:
    """The means of `entries`, in their order; one that is not in `means` has none, because it was not run."""
    return {entry: means.get(entry) or EntryMeans({}, expected) for entry in entries}


def _all_or_none(errors: Sequence[float | None]) -> float | None:
    known = [error for error in errors if error is not None]
    return plain_mean(known) if len(known) == len(errors) else None
