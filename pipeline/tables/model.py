"""A table before it has a format: rows of slots, a slot holding one number or a pair of them.

Every format is rendered from this one model (`markdown`, `latex`, `html`, `values`). Numbers know their cell,
their mean with its uncertainty, their rank, what is published beside them, and how they are printed: in
percent with one decimal, halves rounded up, `-` for none.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal
from functools import cached_property
from typing import Final

from pipeline.cells import System
from pipeline.tables.aggregate import SystemMeans
from pipeline.tables.mean import Mean
from pipeline.tables.outcome import Outcome
from pipeline.tables.published import Source
from pipeline.tables.verdicts import Comparison, References, compare

UNDEFINED: Final = "-"
AVERAGE: Final = "(average)"
MEAN: Final = "(mean)"
BEST: Final = 1
SECOND: Final = 2
SOURCE_MARKS: Final[Mapping[Source, str]] = {
    "paper": "",
    "other paper": "†",
    "authors' log": "‡",
    "review thread": "§",
}
"""What marks a published number that is not of the paper itself, or not its own; † as in its Table 1."""


def printed(value: float) -> str:
    """A share as the paper prints it: in percent with one decimal, halves rounded up.

    Means of small subsets are often exact halves; float noise of 1e-14 must not decide how they print.

    Examples:
        >>> printed(0.91050000000000009), printed(0.9104999999999999)
        ('91.1', '91.1')
    """
    return f"{_rounded(value):.1f}"


def signed(value: float) -> str:
    """A difference of shares, printed likewise with its sign; a difference that rounds to zero has none.

    Examples:
        >>> signed(0.0123), signed(-0.0001)
        ('+1.2', '0.0')
    """
    rounded = _rounded(value)
    return f"{rounded:+.1f}" if rounded else "0.0"


@dataclass(frozen=True)
class Number:
    """One value of a table.

    Attributes:
        system: whose value it is.
        dataset: name of the data set, `AVERAGE` for the mean over data sets.
        subset: name of the subset, `MEAN` for the mean over subsets, "" in a table of data sets.
        comparison: what is published, `None` where nothing is.
        rank: `BEST`, `SECOND`, or 0 for neither.
        show: how a share is printed.
        with_interval: whether its interval is printed beside it, where it has one.
    """

    system: System
    dataset: str
    metric: str
    mean: Mean
    subset: str = ""
    comparison: Comparison | None = None
    rank: int = 0
    show: Callable[[float], str] = printed
    with_interval: bool = False

    @property
    def text(self) -> str:
        """As printed, `-` where there is no value."""
        if self.mean.value is None:
            return UNDEFINED
        text, ends = self.show(self.mean.value), self.mean.interval
        if self.with_interval and ends is not None:
            text += f" ({self.show(ends[0])} to {self.show(ends[1])})"
        return text


Slot = tuple[Number, ...]


@dataclass(frozen=True)
class Row:
    """A row: its labels, which name it from the left, and its slots."""

    labels: tuple[str, ...]
    slots: tuple[Slot, ...]


@dataclass(frozen=True)
class Section:
    """A grid of a table, under a heading of its own where there are several.

    Attributes:
        header: titles of labels and slots.
        text_columns: how many columns from the left are text.
        remarks: lines above the grid.
        notes_at_name: whether the reasons for missing values stand at a row's name instead of at its slots.
    """

    header: tuple[str, ...]
    rows: tuple[Row, ...]
    text_columns: int
    title: str = ""
    remarks: tuple[str, ...] = ()
    notes_at_name: bool = False

    @cached_property
    def compared(self) -> bool:
        """Whether published numbers stand beside its own; a column after the labels then names each line."""
        return any(number.comparison for number in self.numbers())

    @property
    def labels(self) -> int:
        """Number of labels of a row."""
        return len(self.rows[0].labels) if self.rows else 0

    @cached_property
    def left(self) -> list[bool]:
        """Which columns are aligned left."""
        columns = [column < self.text_columns for column in range(len(self.header))]
        return [*columns[: self.labels], True, *columns[self.labels :]] if self.compared else columns

    def numbers(self) -> Iterable[Number]:
        """Its numbers, row by row."""
        return (number for row in self.rows for slot in row.slots for number in slot)


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        name: of its files, such as `table1` or `subsets/mvtec`.
        outcome: the part of the run that it stands on; its marks stand on top.
        legend: lines below it; `lead` those above it.
        provenance: lines below the legend: which builds it stands on, and the way to its rows.
    """

    name: str
    title: str
    outcome: Outcome
    sections: tuple[Section, ...]
    legend: tuple[str, ...] = ()
    lead: tuple[str, ...] = ()
    provenance: tuple[str, ...] = ()

    @property
    def below(self) -> tuple[str, ...]:
        """Everything that stands below its grids but the footnotes."""
        return (*self.legend, *self.provenance)

    def numbers(self) -> list[Number]:
        """All its numbers, in the order in which they stand."""
        return [number for section in self.sections for number in section.numbers()]


def numbers_of(
    own: SystemMeans, dataset: str, subset: str, means: Mapping[str, Mean], published: References
) -> Slot:
    """A slot of `means` by metric, each with what is published there; `subset` as in `Number`."""
    at = "" if subset == MEAN else subset
    found = {metric: published.get((own.system, dataset, at, metric)) for metric in means}
    return tuple(
        Number(
            own.system,
            dataset,
            metric,
            mean,
            subset,
            None if (value := found[metric]) is None else compare(value, mean, own),
        )
        for metric, mean in means.items()
    )


def ranked(slots: Sequence[Slot]) -> list[Slot]:
    """Slots that compete, each place's best and second best marked.

    Values are compared as printed, so that equal figures are marked equally. A rank is given only where a
    lower value exists: one method alone is not the best of anything.
    """
    places = zip(*slots, strict=True)
    return list(zip(*(_ranked(numbers) for numbers in places), strict=True))


def _ranked(numbers: Sequence[Number]) -> list[Number]:
    shares = [number.mean.value for number in numbers]
    values = [None if share is None else float(printed(share)) for share in shares]
    order = sorted({value for value in values if value is not None}, reverse=True)
    ranks = dict(zip(order[:-1], (BEST, SECOND), strict=False))
    return [
        replace(number, rank=0 if value is None else ranks.get(value, 0))
        for number, value in zip(numbers, values, strict=True)
    ]


def _rounded(value: float) -> Decimal:
    return Decimal(f"{100 * value:.9f}").quantize(Decimal("0.1"), ROUND_HALF_UP)
