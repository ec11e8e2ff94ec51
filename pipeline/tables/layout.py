"""From the model to lines of text: how pairs, ranks, reasons and published numbers stand in a grid.

What bold looks like and which letters need care is said by a `Style`; everything else is the same in all
formats. Where numbers are published, a row takes five lines: measured, interval, published, difference,
verdict.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from pipeline.tables.model import (
    BEST,
    SECOND,
    SOURCE_MARKS,
    UNDEFINED,
    Number,
    Row,
    Section,
    Slot,
    Table,
    signed,
)

NO_DATASET: Final = "This run has no data set of this table."
MISSING_TITLE: Final = "No value, because:"
UNLIKE_TITLE: Final = "Not comparable, because:"
LINES: Final = ("measured", "95 % interval", "published", "difference", "verdict")

Grid = list[list[str]]


@dataclass(frozen=True)
class Style:
    """What a format does to texts.

    Attributes:
        best: marks the best value of a metric; `second` the second best.
        escape: makes a text that comes from outside the format harmless.
        value: what stands for a number that prints as the text.
        lines: which lines a row takes where numbers are published.
    """

    best: Callable[[str], str]
    second: Callable[[str], str]
    escape: Callable[[str], str] = str
    value: Callable[[Number, str], str] = lambda _number, text: text
    lines: Sequence[str] = LINES


class Footnotes:
    """Reasons below a table, each numbered once, in the order in which the table mentions them."""

    def __init__(self, title: str = MISSING_TITLE, prefix: str = "") -> None:
        self.title = title
        self._prefix = prefix
        self._numbers: dict[str, int] = {}

    def mark(self, reasons: Sequence[str]) -> str:
        """` [1][2]` for `reasons`, "" for none."""
        numbers = [
            self._numbers.setdefault(reason, len(self._numbers) + 1) for reason in dict.fromkeys(reasons)
        ]
        return " " + "".join(f"[{self._prefix}{number}]" for number in numbers) if numbers else ""

    def lines(self) -> list[str]:
        """The notes, such as `[1] not run`."""
        return [f"[{self._prefix}{number}] {text}" for text, number in self._numbers.items()]


def lay(table: Table, style: Style) -> tuple[list[Grid], list[Footnotes]]:
    """The texts of `table`: a grid for each section, and the footnotes that they mention.

    A grid starts with its header and is empty where the section has no rows.
    """
    writer = _Writer(style)
    grids = [writer.grid(section) for section in table.sections]
    return grids, [notes for notes in (writer.missing, writer.unlike) if notes.lines()]


class _Writer:
    def __init__(self, style: Style) -> None:
        self.style = style
        self.missing = Footnotes()
        self.unlike = Footnotes(UNLIKE_TITLE, "c")

    def grid(self, section: Section) -> Grid:
        if not section.rows:
            return []
        header = list(section.header)
        if section.compared:
            header.insert(section.labels, "")
        rows = [line for row in section.rows for line in self._lines(row, section)]
        return [[self.style.escape(title) for title in header], *rows]

    def _lines(self, row: Row, section: Section) -> Iterator[list[str]]:
        labels = [self.style.escape(label) for label in row.labels]
        measured = [_joined([self._ranked(number) for number in slot]) for slot in row.slots]
        if section.notes_at_name:
            labels[-1] += self.missing.mark([why for slot in row.slots for why in _reasons(slot)])
        else:
            measured = [
                f"{text}{self.missing.mark(_reasons(slot))}"
                for text, slot in zip(measured, row.slots, strict=True)
            ]
        if section.compared:
            yield from self._compared(labels, row, measured)
        else:
            yield [*labels, *measured]

    def _compared(self, labels: list[str], row: Row, measured: list[str]) -> Iterator[list[str]]:
        shows = (_interval, _published, _difference, self._verdict)
        lines = [measured, *([self.style.escape(show(slot)) for slot in row.slots] for show in shows)]
        for name, line in zip(LINES, lines, strict=True):
            if any(line) and name in self.style.lines:
                yield [*labels, self.style.escape(name), *line]
                labels = [""] * len(labels)

    def _ranked(self, number: Number) -> str:
        if number.mean.value is None:
            return UNDEFINED
        text = self.style.value(number, number.text)
        marks = {BEST: self.style.best, SECOND: self.style.second}
        return marks[number.rank](text) if number.rank else text

    def _verdict(self, slot: Slot) -> str:
        verdicts = [number.comparison.verdict if number.comparison else "" for number in slot]
        text = verdicts[0] if len(set(verdicts)) == 1 else _joined(verdicts)
        measured = [number.comparison for number in slot if number.mean.value is not None]
        return text + self.unlike.mark([it.reason for it in measured if it is not None and it.reason])


def _reasons(slot: Slot) -> list[str]:
    return [number.mean.missing for number in slot if number.mean.missing is not None]


def _interval(slot: Slot) -> str:
    return _joined([_ends(number) for number in slot])


def _ends(number: Number) -> str:
    ends = number.mean.interval
    return "" if ends is None else "–".join(number.show(end) for end in ends)


def _published(slot: Slot) -> str:
    values = [number.comparison.published for number in slot if number.comparison]
    marks = dict.fromkeys(SOURCE_MARKS[value.source] for value in values)
    texts = [f"{number.comparison.published.percent:.1f}" if number.comparison else "" for number in slot]
    return _joined(texts) + "".join(marks)


def _difference(slot: Slot) -> str:
    differences = [number.comparison.difference if number.comparison else None for number in slot]
    return _joined(["" if it is None else signed(it / 100) for it in differences])


def _joined(texts: Sequence[str]) -> str:
    """`(a, b)` of a pair, a dash for what it lacks; "" where it has nothing at all."""
    if len(texts) == 1 or not any(texts):
        return texts[0]
    return f"({', '.join(text or UNDEFINED for text in texts)})"
