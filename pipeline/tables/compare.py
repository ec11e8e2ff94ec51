"""What a change moved: two folders of tables, value by value, each move judged (`significance`).

The unit is the printed point, a hundredth of the full scale, so that a tolerance means what a reader sees.
A cell or mean that stands in several tables is judged once. Figure 5 shows differences of other values; what
moves there is told and never a regression of its own.


The differences of two runs as text: lines for a terminal, or Markdown for a pull request.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, get_args

from pipeline.results import ResultsError
from pipeline.results.parquet import read_scores
from pipeline.tables.markdown import grid
from pipeline.tables.model import AVERAGE, MEAN
from pipeline.tables.significance import Measured, Noise, noise, paired_errors, significant
from pipeline.tables.values import KEY_COLUMNS, Value, is_table, read_csv

# Two values that are printed with four decimals and differ by the tolerance exactly are within it.
_ROUNDING: Final = 1e-6
_DERIVED: Final = "figure5"

Verdict = Literal["worse", "better", "within noise", "not judged", "gone", "new"]
_Key = tuple[str, str, str, str, str, str]
_Lines = Mapping[str, Value]


@dataclass(frozen=True)
class Difference:
    """One value that moved, appeared or went.

    Attributes:
        name: where it stands, such as `miniature table 1: mvtec, anomalyclip, image_auroc`.
        before: percent, `None` where there is no value.
        after: likewise.
        verdict: `worse` or `better` beyond noise, `within noise`, `not judged`, `gone`, or `new`.
        noise: standard deviation that is no change, in points; `None` where not known.
    """

    name: str
    before: float | None
    after: float | None
    verdict: Verdict
    noise: float | None = None

    @property
    def regression(self) -> bool:
        """Whether something got worse, or is no longer there."""
        return self.verdict in ("worse", "gone")

    def __str__(self) -> str:
        moved = "" if self.before is None or self.after is None else f" ({self.after - self.before:+.4f})"
        spread = "" if self.noise is None else f", noise {self.noise:.4f}"
        return f"{self.verdict}: {self.name}: {_text(self.before)} -> {_text(self.after)}{moved}{spread}"


def compare_tables(before: Path, after: Path, tolerance: float) -> list[Difference]:
    """Differences between two runs, in table order.

    Args:
        before: folder of tables as `write_tables` made it, or the results folder of a profile that has it as
            `tables`. Where both sides are results folders with `scores`, image metrics are compared pairwise.
        after: another.
        tolerance: largest difference in printed points that counts as none, such as 0.05.

    Raises:
        ResultsError: a folder without tables, or a file that is no table.
    """
    sides = _lines(before), _lines(after)
    names = [*sides[0], *(name for name in sides[1] if name not in sides[0])]
    values = {name: (_percent(sides[0].get(name)), _percent(sides[1].get(name))) for name in names}
    pairing = _Pairing(before, after, sides[1])
    # Small moves count in Holm's bound too: a choice by size among the values would make it too lax.
    noises = {name: _noise(sides, name, pairing) for name in names if _moved(*values[name], 0)}
    beyond = _beyond_noise(sides, noises)
    moved = [name for name in names if _moved(*values[name], tolerance)]
    return [_judged(name, sides, noises[name], beyond) for name in moved]


def _lines(folder: Path) -> dict[str, Value]:
    tables = folder / "tables" if (folder / "tables").is_dir() else folder
    paths = [*sorted(tables.glob("*.csv")), *sorted(tables.glob("subsets/*.csv"))]
    if not any(is_table(path) for path in paths):
        raise ResultsError(f"{folder}: no tables here; run `dvc repro tables` first")
    return {_name(line): line for path in paths for line in read_csv(path)}


def _name(line: Value) -> str:
    hidden = ("profile", "table", "task")
    parts = [getattr(line, column) for column in KEY_COLUMNS if column not in hidden]
    table = line.table if line.table.startswith("figure") else f"table {line.table}"
    return f"{line.profile} {table}: {', '.join(part for part in parts if part)}"


def _key(line: Value) -> _Key:
    """The same for one value in whichever tables it stands; averages and gains belong to their table."""
    own = line.dataset == AVERAGE or line.table == _DERIVED
    subset = "" if line.subset == MEAN else line.subset
    return (line.table if own else "", line.dataset, subset, line.method, line.variant, line.metric)


def _level(line: Value) -> str:
    return "averages" if line.dataset == AVERAGE else "cells" if _key(line)[2] else "data sets"


def _noise(sides: tuple[_Lines, _Lines], name: str, pairing: "_Pairing") -> Noise | None:
    first, second = (_measured(side.get(name)) for side in sides)
    if first is None or second is None:
        return None
    return noise(first, second, pairing.error(sides[1][name]))


class _Pairing:
    """Errors of paired differences: of cells as they are, of means from their independent parts."""

    def __init__(self, before: Path, after: Path, lines: _Lines) -> None:
        folders = before / "scores", after / "scores"
        both = all(folder.is_dir() for folder in folders)
        self._errors = paired_errors(*(read_scores(folder) for folder in folders)) if both else {}
        self._parts: dict[tuple[str, ...], list[Value]] = {}
        for line in lines.values() if both else ():
            if _level(line) == "cells":
                self._parts.setdefault((line.dataset, *_entry(line)), []).append(line)
            elif _level(line) == "data sets":
                self._parts.setdefault((AVERAGE, line.table, *_entry(line)), []).append(line)

    def error(self, line: Value) -> float | None:
        """In points; `None` where images are not shared, or not known to be."""
        if line.table == _DERIVED:
            return None
        if _level(line) == "cells":
            return self._errors.get(((line.dataset, line.subset, line.method, line.variant), line.metric))
        average = line.dataset == AVERAGE
        place = (AVERAGE, line.table) if average else (line.dataset,)
        errors = [self.error(part) for part in self._parts.get((*place, *_entry(line)), ())]
        known = [error for error in errors if error is not None]
        return math.hypot(*known) / len(errors) if errors and len(known) == len(errors) else None


def _entry(line: Value) -> tuple[str, str, str]:
    return line.method, line.variant, line.metric


def _beyond_noise(sides: tuple[_Lines, _Lines], noises: Mapping[str, Noise | None]) -> set[_Key]:
    p_values: dict[str, dict[_Key, float]] = {}
    for name, spread in noises.items():
        if spread is not None and sides[1][name].table != _DERIVED:
            first, second = (float(side[name].value) for side in sides)
            line = sides[1][name]
            p_values.setdefault(_level(line), {})[_key(line)] = spread.p_value(second - first)
    return {key for level in p_values.values() for key in significant(level)}


def _judged(
    name: str, sides: tuple[_Lines, _Lines], spread: Noise | None, beyond: Iterable[_Key]
) -> Difference:
    first, second = (_percent(side.get(name)) for side in sides)
    line = sides[0].get(name) or sides[1][name]
    verdict: Verdict = "within noise"
    if first is None:
        verdict = "new"
    elif second is None:
        verdict = "gone"
    elif spread is None or line.table == _DERIVED:
        verdict = "not judged"
    elif _key(line) in beyond:
        verdict = "worse" if second < first else "better"
    return Difference(name, first, second, verdict, None if spread is None else spread.deviation)


def _measured(line: Value | None) -> Measured | None:
    if line is None or not line.value:
        return None
    se = float(line.se) if line.se else None
    return Measured(float(line.value), se, float(line.training_se or 0), tuple(line.seeds.split()))


def _percent(line: Value | None) -> float | None:
    return None if line is None or not line.value else float(line.value)


def _moved(before: float | None, after: float | None, tolerance: float) -> bool:
    if before is None or after is None:
        return before is not after
    return not math.isclose(before, after, rel_tol=0, abs_tol=tolerance + _ROUNDING)


def _text(value: float | None) -> str:
    return "no value" if value is None else f"{value:.4f}"


_MOST_ROWS: Final = 60  # of a section: a comment on a pull request may have 65536 characters
_SHOWN: Final[tuple[Verdict, ...]] = ("worse", "gone", "better", "new")


def headline(differences: Sequence[Difference], tolerance: float) -> str:
    """One line: how many values moved, by verdict."""
    counts = Counter(difference.verdict for difference in differences)
    parts = [f"{counts[verdict]} {verdict}" for verdict in get_args(Verdict) if counts[verdict]]
    told = f": {', '.join(parts)}" if parts else ""
    return f"{len(differences)} values differ by more than {tolerance} points{told}"


def diff_text(differences: Sequence[Difference], tolerance: float) -> str:
    """A line a value, and the headline last."""
    return "\n".join([*(str(difference) for difference in differences), headline(differences, tolerance)])


def diff_markdown(differences: Sequence[Difference], tolerance: float) -> str:
    """The headline, then a table of what got worse, went, got better or is new; the rest folded."""
    lines = [f"**{headline(differences, tolerance)}**"]
    for verdict in _SHOWN:
        if chosen := [it for it in differences if it.verdict == verdict]:
            lines += ["", f"### {verdict.capitalize()}", "", *_rows(chosen)]
    if rest := [it for it in differences if it.verdict not in _SHOWN]:
        lines += [
            "",
            "<details><summary>Within noise, or not judged</summary>",
            "",
            *_rows(rest),
            "",
            "</details>",
        ]
    return "\n".join(lines)


def _rows(differences: Sequence[Difference]) -> list[str]:
    rows = [
        [
            it.name.replace("|", "\\|"),
            _points(it.before),
            _points(it.after),
            _moved_text(it),
            _points(it.noise),
        ]
        for it in differences[:_MOST_ROWS]
    ]
    more = len(differences) - len(rows)
    tail = ["", f"and {more} more; `zsad diff` lists them"] if more else []
    return [
        *grid(["Value", "before", "after", "difference", "noise"], rows, [True, False, False, False, False]),
        *tail,
    ]


def _points(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _moved_text(difference: Difference) -> str:
    if difference.before is None or difference.after is None:
        return ""
    return f"{difference.after - difference.before:+.2f}"
