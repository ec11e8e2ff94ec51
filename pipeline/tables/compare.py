"""What a change moved: two folders of tables, value by value, each move judged (`significance`).

The unit is the printed point, a hundredth of the full scale, so that a tolerance means what a reader sees.
A cell or mean that stands in several tables is judged once. Figure 5 and the table of protocols show
differences of other values; what moves there is told and never a regression of its own. What a reader sees
first is counts, then what got worse or is gone; every move on request.
"""

import math
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, get_args

from pipeline.cells import CellKey
from pipeline.results import OTHER_TRACKS, ResultsError
from pipeline.results.parquet import read_scores
from pipeline.tables.markdown import grid
from pipeline.tables.model import AVERAGE, MEAN
from pipeline.tables.significance import (
    POWER,
    Noise,
    PairedScores,
    detectable,
    noise,
    p_value,
    significant,
)
from pipeline.tables.values import KEY_COLUMNS, Value, is_table, read_csv

# Two values that are printed with four decimals and differ by the tolerance exactly are within it.
_ROUNDING: Final = 1e-6
_DERIVED: Final = ("figure5", "protocols")
_IS_DERIVED: Final = "a difference of values that are judged in the other tables"
_BEYOND: Final = {"worse": "worse beyond noise", "better": "better beyond noise"}
_MOST: Final = 20  # lines of what got worse or is gone, unless all are asked for
_MOST_ROWS: Final = 400  # of Markdown: a comment on a pull request may have 65536 characters

Verdict = Literal["worse", "gone", "better", "new", "within noise", "not judged"]
_Key = tuple[str, CellKey, str]  # table where the value belongs to one, cell without its seed, metric
_Lines = Mapping[str, Value]
_Levels = Mapping[str, tuple[int, Set[_Key]]]
"""How many values are judged at each level, and which of them moved by more than noise."""


@dataclass(frozen=True)
class Difference:
    """One value that moved, appeared or went.

    Attributes:
        name: where it stands, such as `miniature table 1: mvtec, anomalyclip, image_auroc`.
        before: percent, `None` where there is no value.
        after: likewise.
        verdict: `worse` or `better` beyond noise, `within noise`, `not judged`, `gone`, or `new`.
        noise: standard deviation that is no change, in points; `None` where not known.
        visible: smallest change that would have been found, in points (`significance.detectable`).
        level: of the value, such as `cell`; said where it is judged.
        reason: why it is not judged, "" where it is.
    """

    name: str
    before: float | None
    after: float | None
    verdict: Verdict
    noise: float | None = None
    visible: float | None = None
    level: str = ""
    reason: str = ""

    @property
    def regression(self) -> bool:
        """Whether something got worse, or is no longer there."""
        return self.verdict in ("worse", "gone")

    def __str__(self) -> str:
        moved = "" if self.before is None or self.after is None else f" ({self.after - self.before:+.4f})"
        spread = ""
        if self.noise is not None and self.visible is not None:
            spread = f", noise {self.noise:.4f}, visible from {self.visible:.2f}"
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
    first, second = _lines(before), _lines(after)
    values = {name: (_percent(first.get(name)), _percent(second.get(name))) for name in first | second}
    pairing = _Pairing(before, after, second)
    # Small moves count in Holm's bound too: a choice by size among the values would make it too lax.
    noises = {
        name: _noise(first[name], second[name], pairing)
        for name, (old, new) in values.items()
        if old is not None and new is not None and _moved(old, new, 0)
    }
    levels = _levels(first, second, noises)
    return [
        _judged(name, second.get(name) or first[name], pair, noises.get(name), levels)
        for name, pair in values.items()
        if _moved(*pair, tolerance)
    ]


def count_values(before: Path, after: Path) -> int:
    """How many values `compare_tables` looks at: those that stand on either side.

    Raises:
        ResultsError: as `compare_tables`.
    """
    lines = [*_lines(before).items(), *_lines(after).items()]
    return len({name for name, line in lines if line.value})


def diff_text(differences: Sequence[Difference], compared: int, tolerance: float, *, every: bool) -> str:
    """Counts, then a line for each value that got worse beyond noise or is gone, or for every one.

    Args:
        differences: what `compare_tables` found.
        compared: among how many values (`count_values`).
        tolerance: with which tolerance.
        every: whether to list all of them instead of the worst alone.
    """
    shown = _shown(differences, len(differences) if every else _MOST, every=every)
    return "\n".join(
        [
            *_counts(differences, compared, tolerance),
            *map(str, shown),
            *_rest(differences, shown, every=every),
        ]
    )


def diff_markdown(differences: Sequence[Difference], compared: int, tolerance: float, *, every: bool) -> str:
    """The same with a table, for a pull request."""
    shown = _shown(differences, _MOST_ROWS if every else _MOST, every=every)
    rows = [
        [
            it.verdict,
            it.name.replace("|", "\\|"),
            *("" if value is None else f"{value:.2f}" for value in (it.before, it.after)),
            "" if it.before is None or it.after is None else f"{it.after - it.before:+.2f}",
            *("" if value is None else f"{value:.2f}" for value in (it.noise, it.visible)),
        ]
        for it in shown
    ]
    header = ["Verdict", "Value", "before", "after", "difference", "noise", "visible from"]
    first, *others = _counts(differences, compared, tolerance)
    lines = [f"**{first}**", *(f"- {line}" for line in others)]
    if rows:
        lines += ["", *grid(header, rows, [True, True, *[False] * 5])]
    return "\n".join([*lines, *("\n" + line for line in _rest(differences, shown, every=every))])


def _counts(differences: Sequence[Difference], compared: int, tolerance: float) -> list[str]:
    """How many values there are and how many moved, by verdict; then why some are not judged."""
    verdicts = Counter(it.verdict for it in differences)
    parts = [f"{verdicts[it]} {_BEYOND.get(it, it)}" for it in get_args(Verdict) if verdicts[it]]
    told = f": {', '.join(parts)}" if parts else ""
    reasons = Counter(it.reason for it in differences if it.verdict == "not judged")
    values = "1 value" if compared == 1 else f"{compared} values"
    return [
        f"{values} compared, {len(differences)} moved by more than {tolerance} points{told}.",
        *(f"Not judged, {count}: {reason}." for reason, count in reasons.items()),
        *_visible(differences),
    ]


def _visible(differences: Sequence[Difference]) -> list[str]:
    """What could be seen at all, by level; nothing where nothing was judged."""
    levels: dict[str, list[float]] = {}
    for it in differences:
        if it.visible is not None:
            levels.setdefault(it.level, []).append(it.visible)
    parts = [f"{level} {_range(found)}" for level, found in levels.items()]
    return [f"Smallest change that is found in {POWER:.0%} of cases: {', '.join(parts)}."] if parts else []


def _range(points: Sequence[float]) -> str:
    """Such as `2.10 points`, or `2.10 points (1.00 to 7.35)` with the median in front."""
    low, high = min(points), max(points)
    around = "" if low == high else f" ({low:.2f} to {high:.2f})"
    return f"{statistics.median(points):.2f} points{around}"


def _shown(differences: Sequence[Difference], most: int, *, every: bool) -> list[Difference]:
    chosen = [it for it in differences if every or it.regression]
    return sorted(chosen, key=lambda it: get_args(Verdict).index(it.verdict))[:most]


def _rest(differences: Sequence[Difference], shown: Sequence[Difference], *, every: bool) -> list[str]:
    """What is not shown, and how to see it."""
    worst = sum(it.regression for it in differences)
    left = (len(differences) if every else worst) - len(shown)
    if every:
        return [f"And {left} more."] if left else []
    told = [f"And {left} more that are worse or gone."] if left else []
    if not worst:
        told = ["Nothing is worse beyond noise, and nothing is gone."]
    if len(shown) < len(differences):
        told = [*told, "`zsad diff --all` lists every value that moved."]
    return [" ".join(told)] if told else []


def _lines(folder: Path) -> dict[str, Value]:
    tables = folder / "tables" if (folder / "tables").is_dir() else folder
    # The table of all metrics repeats what the paper's tables have: they name it first.
    top = sorted(tables.glob("*.csv"), key=lambda path: (path.stem == "metrics", path))
    others = [path for it in OTHER_TRACKS for path in sorted((tables / it).rglob("*.csv"))]
    paths = [*top, *sorted(tables.glob("subsets/*.csv")), *others]
    if not any(is_table(path) for path in paths):
        raise ResultsError(f"{folder}: no tables here; run `dvc repro tables` first")
    return {_name(line): line for path in paths for line in read_csv(path)}


def _name(line: Value) -> str:
    hidden = ("profile", "table", "task")
    parts = [getattr(line, column) for column in KEY_COLUMNS if column not in hidden]
    table = line.table if line.table.startswith("figure") else f"table {line.table}"
    return f"{line.profile} {table}: {', '.join(part for part in parts if part)}"


def _cell(line: Value) -> CellKey:
    """Over all seeds; a mean over subsets has no subset."""
    subset = "" if line.subset == MEAN else line.subset
    return CellKey(line.dataset, subset, line.method, line.variant, None)


def _key(line: Value) -> _Key:
    """The same for one value in whichever tables it stands; averages and gains belong to their table."""
    own = line.dataset == AVERAGE or line.table in _DERIVED
    return line.table if own else "", _cell(line), line.metric


def _level(line: Value) -> str:
    return "average" if line.dataset == AVERAGE else "cell" if _cell(line).subset else "data set"


def _judged_with(line: Value) -> str:
    """The level at which a value is judged, among those of its track alone."""
    return f"{_level(line)}, {line.track} track" if line.track in OTHER_TRACKS else _level(line)


def _noise(before: Value, after: Value, pairing: "_Pairing") -> Noise | str:
    """As `significance.noise`: or why it is not known, and with that the move not judged."""
    return _IS_DERIVED if after.table in _DERIVED else noise(before, after, pairing.error(after))


class _Pairing:
    """Errors of paired differences: of cells as they are, of means from their independent parts."""

    def __init__(self, before: Path, after: Path, lines: _Lines) -> None:
        folders = before / "scores", after / "scores"
        both = all(folder.is_dir() for folder in folders)
        self._scores = PairedScores(*(read_scores(folder) for folder in folders)) if both else None
        self._parts: dict[_Key, list[Value]] = {}
        for line in lines.values() if both else ():
            if _level(line) == "cell":
                self._parts.setdefault(("", _cell(line)._replace(subset=""), line.metric), []).append(line)
            elif _level(line) == "data set":
                average = _cell(line)._replace(dataset=AVERAGE)
                self._parts.setdefault((line.table, average, line.metric), []).append(line)

    def error(self, line: Value) -> float | None:
        """In points; `None` where images are not shared, or not known to be."""
        if self._scores is None:
            return None
        if _level(line) == "cell":
            return self._scores.errors(_cell(line)).get(line.metric)
        errors = [self.error(part) for part in self._parts.get(_key(line), ())]
        known = [error for error in errors if error is not None]
        return math.hypot(*known) / len(errors) if errors and len(known) == len(errors) else None


def _levels(before: _Lines, after: _Lines, noises: Mapping[str, Noise | str]) -> _Levels:
    p_values: dict[str, dict[_Key, float]] = {}
    for name, found in noises.items():
        if not isinstance(found, str):
            line = after[name]
            p = p_value(float(line.value) - float(before[name].value), found)
            p_values.setdefault(_judged_with(line), {})[_key(line)] = p
    return {level: (len(found), significant(found)) for level, found in p_values.items()}


def _judged(
    name: str,
    line: Value,
    pair: tuple[float | None, float | None],
    found: Noise | str | None,
    levels: _Levels,
) -> Difference:
    before, after = pair
    if before is None or after is None:
        return Difference(name, before, after, "new" if before is None else "gone")
    if found is None or isinstance(found, str):
        return Difference(name, before, after, "not judged", reason=found or "")
    level = _judged_with(line)
    values, beyond = levels[level]
    verdict: Verdict = "within noise"
    if _key(line) in beyond:
        verdict = "worse" if after < before else "better"
    return Difference(name, before, after, verdict, found[0], detectable(found, values), level)


def _percent(line: Value | None) -> float | None:
    return None if line is None or not line.value else float(line.value)


def _moved(before: float | None, after: float | None, tolerance: float) -> bool:
    if before is None or after is None:
        return before is not after
    return not math.isclose(before, after, rel_tol=0, abs_tol=tolerance + _ROUNDING)


def _text(value: float | None) -> str:
    return "no value" if value is None else f"{value:.4f}"
