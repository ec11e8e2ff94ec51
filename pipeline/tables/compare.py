"""What a change moved: two folders of tables, or two tables of metrics, value by value.

The unit is the printed point, a hundredth of the full scale, so that a tolerance means what a reader sees.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pandas as pd

from pipeline.results import METRICS, ResultsError, cell_rows
from pipeline.tables.long_form import KEY_COLUMNS, read_csv

# Two values that are printed with four decimals and differ by the tolerance exactly are within it.
_ROUNDING: Final = 1e-6

_Values = Mapping[str, float | None]


@dataclass(frozen=True)
class Difference:
    """One value that moved, appeared or went.

    Attributes:
        name: where it stands, such as `table 1: mvtec, anomalyclip, image_auroc`.
        before: percent, `None` where there is no value.
        after: likewise.
    """

    name: str
    before: float | None
    after: float | None

    def __str__(self) -> str:
        moved = "" if self.before is None or self.after is None else f" ({self.after - self.before:+.4f})"
        return f"{self.name}: {_text(self.before)} -> {_text(self.after)}{moved}"


def compare_tables(before: Path, after: Path, tolerance: float) -> list[Difference]:
    """Differences between the CSV tables of two folders, in table order.

    Args:
        before: folder of tables, as `write_tables` made it.
        after: another.
        tolerance: largest difference in printed points that counts as none, such as 0.05.

    Raises:
        ResultsError: a folder without tables, or a file that is no table.
    """
    return _differences(_table_values(before), _table_values(after), tolerance)


def compare_metrics(before: pd.DataFrame, after: pd.DataFrame, tolerance: float) -> list[Difference]:
    """Differences between two tables of `read_metrics`, cell by cell, by data set, subset, method and seed.

    A cell that failed has no values. One that is missing on one side differs in every metric of the other.

    Args:
        before: rows of one run.
        after: rows of another.
        tolerance: largest difference in printed points that counts as none.
    """
    return _differences(_cell_values(before), _cell_values(after), tolerance)


def _table_values(folder: Path) -> dict[str, float | None]:
    paths = sorted(folder.rglob("*.csv"), key=lambda path: (len(path.parts), path))
    if not paths:
        raise ResultsError(f"{folder}: no tables here; run `dvc repro tables` first")
    values: dict[str, float | None] = {}
    for path in paths:
        for line in read_csv(path):
            parts = [
                getattr(line, column) for column in KEY_COLUMNS if column not in ("profile", "table", "task")
            ]
            name = f"{line.profile} {_title(line.table)}: {', '.join(part for part in parts if part)}"
            values[name] = float(line.value) if line.value else None
    return values


def _title(table: str) -> str:
    return table if table.startswith("figure") else f"table {table}"


def _cell_values(metrics: pd.DataFrame) -> dict[str, float | None]:
    values: dict[str, float | None] = {}
    for row in cell_rows(metrics):
        for metric in METRICS:
            share = getattr(row, metric)
            values[f"{row.name}, {metric}"] = None if share is None else 100 * share
    return values


def _differences(before: _Values, after: _Values, tolerance: float) -> list[Difference]:
    names = [*before, *(name for name in after if name not in before)]
    pairs = [Difference(name, before.get(name), after.get(name)) for name in names]
    return [pair for pair in pairs if _differs(pair.before, pair.after, tolerance)]


def _differs(before: float | None, after: float | None, tolerance: float) -> bool:
    if before is None or after is None:
        return before is not after
    return not math.isclose(before, after, rel_tol=0, abs_tol=tolerance + _ROUNDING)


def _text(value: float | None) -> str:
    return "no value" if value is None else f"{value:.4f}"
