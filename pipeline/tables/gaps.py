"""Why a mean is not there, in the words of a footnote: which cells are missing, failed or undefined.

Knows only the cells that a mean is over and their rows.
"""

from collections.abc import Sequence
from typing import Final

from pipeline.results import CellRow

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
