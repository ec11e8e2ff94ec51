"""The CSV form of every table: one line a value, never rounded to what is printed, with the reason of a gap.

All tables have the same columns, so that one reader and one comparison serve them all.
"""

import csv
import io
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Final

from pipeline.results import ResultsError
from pipeline.tables.aggregate import Entry, Mean
from pipeline.tables.markdown import printed

AVERAGE: Final = "(average)"
MEAN: Final = "(mean)"


@dataclass(frozen=True)
class Value:
    """One value of a table.

    Attributes:
        table: its number such as `1`, or `figure5`, `figure6`, `subsets`.
        dataset: name of the data set, `(average)` for the mean over data sets.
        subset: name of the subset, `(mean)` for the mean over subsets, "" in a table of data sets.
        variant: an ablation, "" for the method itself; in `figure5` the one that gains are held against.
        value: percent with four decimals, "" where there is none.
        printed: percent as the Markdown table prints it, "" where there is none.
        note: why there is no value, "" where it is undefined by nature.
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
    note: str


COLUMNS: Final = tuple(field.name for field in fields(Value))
KEY_COLUMNS: Final = COLUMNS[: COLUMNS.index("value")]


@dataclass(frozen=True)
class Place:
    """Where in the tables a value stands: the columns that all metrics and methods of a line share."""

    profile: str
    table: str
    dataset: str
    subset: str = ""

    def value(
        self, entry: Entry, metric: str, mean: Mean, *, show: Callable[[float], str] = printed
    ) -> Value:
        """The line of `mean`, printed as `show` prints a share."""
        return Value(
            **asdict(self),
            task=metric.partition("_")[0],
            method=entry.method,
            variant=entry.variant,
            metric=metric,
            value="" if mean.value is None else f"{100 * mean.value:z.4f}",
            printed="" if mean.value is None else show(mean.value),
            note=mean.missing or "",
        )


def csv_text(values: Iterable[Value]) -> str:
    """`values` as CSV with a header, in the order given."""
    sink = io.StringIO()
    writer = csv.DictWriter(sink, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(value) for value in values)
    return sink.getvalue()


def read_csv(path: Path) -> list[Value]:
    """The values of a file that `csv_text` made.

    Raises:
        ResultsError: the file has other columns.
    """
    with path.open(encoding="utf-8", newline="") as handle:
        reader = csv.DictReader(handle)
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise ResultsError(
                f"{path}: not a table of this version (columns {reader.fieldnames}); make it again"
            )
        return [Value(**line) for line in reader]
