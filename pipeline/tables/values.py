"""The CSV form of every table: one line for each value, never rounded to what is printed.

Where there is no value, its line says why. All tables have the same columns, so that one reader and one
comparison serve them all.
"""

import csv
import io
import re
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

from pipeline.results import OTHER_TRACKS, ResultsError
from pipeline.tables.model import Number, Table
from pipeline.tables.outcome import Outcome


@dataclass(frozen=True)
class Value:
    """One value of a table.

    Attributes:
        table: its number such as `1`, or `figure5`, `figure6`, `subsets`; of a track other than the main one
            such as `batch/industrial`.
        dataset: name of the data set, `(average)` for the mean over data sets.
        subset: name of the subset, `(mean)` for the mean over subsets, "" in a table of data sets.
        variant: an ablation, "" for the method itself; in `figure5` the one that gains are held against.
        value: percent with four decimals, "" where there is none; as all numbers but `published`.
        printed: percent as the Markdown table prints it, "" where there is none.
        se: standard error over draws of test images, in points.
        training_se: over trainings, measured or as is usual (see `mean`); "" if nothing is learnt.
        low: lower end of the 95 % interval; `high` the upper one.
        seeds: of the trainings, "" if nothing is learnt.
        track: of the value, and its `protocol`; see `pipeline.results.RuleColumns`.
        published: percent as printed, "" where nothing is published.
        source: of the published value, and what is known of it by the rule: `published_protocol`,
            `published_build`, `published_epochs`, `published_chosen` (on the target), `shown_by` (a file).
        difference: measured minus published, in points.
        allowed: largest difference that counts as reproduced.
        verdict: see `pipeline.tables.verdicts`.
        note: why there is no value, or why it is not comparable; "" where it is undefined by nature.
    """

    profile: str
    table: str
    task: str
    dataset: str
    subset: str
    method: str
    variant: str
    metric: str
    value: str
    printed: str
    se: str
    training_se: str
    low: str
    high: str
    seeds: str
    track: str
    protocol: str
    published: str
    source: str
    published_protocol: str
    published_build: str
    published_epochs: str
    published_chosen: str
    shown_by: str
    difference: str
    allowed: str
    verdict: str
    note: str


_TEXTS: Final = frozenset({"dataset", "subset", "method", "variant", "source", "note"})
_FORMULA: Final = re.compile(r"'*[=+\-@\t\r]")
COLUMNS: Final = tuple(field.name for field in fields(Value))
KEY_COLUMNS: Final = COLUMNS[: COLUMNS.index("value")]


def values(table: Table) -> list[Value]:
    """The numbers of `table`, in the order in which they stand."""
    return [_value(number, table.outcome, _short(table.name)) for number in table.numbers()]


def _short(name: str) -> str:
    """Such as `1`, `subsets`, the name of a suite, or each of these of a track."""
    first, _, rest = name.partition("/")
    return f"{first}/{_short(rest)}" if first in OTHER_TRACKS else first.removeprefix("table")


def csv_text(table: Table) -> str:
    """`table` as CSV with a header."""
    sink = io.StringIO()
    writer = csv.DictWriter(sink, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for value in values(table):
        cells = vars(value).items()
        writer.writerow({name: _as_text(text) if name in _TEXTS else text for name, text in cells})
    return sink.getvalue()


def _as_text(text: str) -> str:
    """`text` with a quote before what a spreadsheet would compute, or before such a quote."""
    return f"'{text}" if _FORMULA.match(text) else text


def _as_was(text: str) -> str:
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def is_table(path: Path) -> bool:
    """Whether a file begins as the tables of all versions do, whatever else it says."""
    with path.open("rb") as handle:
        start = ",".join(KEY_COLUMNS).encode()
        return handle.read(len(start)) == start


def read_csv(path: Path) -> list[Value]:
    """The values of a file that `csv_text` made, by this version or an earlier one.

    Columns that an earlier version did not have are "".

    Raises:
        ResultsError: the file has not even the columns that all versions have, or a line has others.
    """
    with path.open(encoding="utf-8", newline="") as handle:
        reader = csv.DictReader(handle)
        columns = set(reader.fieldnames or ())
        if not (set(KEY_COLUMNS) | {"value"} <= columns <= set(COLUMNS)):
            raise ResultsError(
                f"{path}: not a table of this version (columns {reader.fieldnames}); make it again"
            )
        return [_read(line, f"{path}, line {reader.line_num}") for line in reader]


def _read(line: dict[str, str], where: str) -> Value:
    if None in line or None in line.values():
        raise ResultsError(f"{where}: not as many cells as its header has; make it again")
    texts = {name: _as_was(text) if name in _TEXTS else text for name, text in line.items()}
    return Value(**(dict.fromkeys(COLUMNS, "") | texts))


def _value(number: Number, outcome: Outcome, table: str) -> Value:
    mean, told = number.mean, number.comparison
    own = outcome.means.get(number.system)
    published = None if told is None else told.published
    low, high = mean.interval or (None, None)
    return Value(
        profile=outcome.label,
        table=table,
        task=number.metric.partition("_")[0],
        dataset=number.dataset,
        subset=number.subset,
        method=number.system.method,
        variant=number.system.variant,
        metric=number.metric,
        value=_percent(mean.value),
        printed="" if mean.value is None else number.show(mean.value),
        se=_percent(mean.se),
        training_se=_percent(mean.training_se),
        low=_percent(low),
        high=_percent(high),
        seeds=" ".join(str(seed) for seed in mean.seeds),
        track=(own and own.track) or "",
        protocol=(own and own.protocol) or "",
        published="" if published is None else f"{published.percent:.1f}",
        source="" if published is None else published.source,
        published_protocol=(published and published.protocol) or "",
        published_build=(published and published.build_name) or "",
        published_epochs=(published and published.epochs_rule) or "",
        published_chosen=(published and published.chosen_on_target) or "",
        shown_by=(published and published.shown_by) or "",
        difference="" if told is None else _points(told.difference),
        allowed="" if told is None else _points(told.allowed),
        verdict="" if told is None else told.verdict,
        note=mean.missing or (told.reason if told else None) or "",
    )


def _percent(share: float | None) -> str:
    return _points(None if share is None else 100 * share)


def _points(value: float | None) -> str:
    return "" if value is None else f"{value:z.4f}"
