"""A table as Markdown and in the terminal: best values bold, second best in italics, footnotes for reasons.

Markdown is one file for each table. In the terminal, columns that do not fit stand below the others, after
the labels again: a number is never broken.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, JustifyMethod, RenderableType, RenderResult
from rich.markup import escape
from rich.table import Table as Drawn
from rich.text import Text

from pipeline.tables.layout import NO_DATASET, Footnotes, Grid, Style, lay
from pipeline.tables.model import Section, Table

# What would end a cell, or begin a tag or a link; marks of our footnotes begin none.
_MARKS: Final = re.compile(r"[\\|<>]|\[(?!c?\d+\])")
_IN_PROSE: Final = re.compile(r"[\\<]|\[(?=[^]]*\][(\[:])")
_MARKDOWN: Final = Style(
    lambda text: f"**{text}**", lambda text: f"*{text}*", lambda text: _MARKS.sub(r"\\\g<0>", text)
)
_RICH: Final = Style(lambda text: f"[bold]{text}[/bold]", lambda text: f"[italic]{text}[/italic]", escape)
_GAP: Final = 2  # columns that a drawn column takes beyond its text


def markdown(table: Table) -> str:
    """The whole file of `table`."""
    grids, footnotes = lay(table, _MARKDOWN)
    lines = [
        f"# {_MARKDOWN.escape(table.title)}",
        "",
        *(line for mark in table.outcome.marks() for line in (f"> **{_prose(mark)}**", "")),
    ]
    if table.lead:
        lines += [*map(_prose, table.lead), ""]
    for section, rows in zip(table.sections, grids, strict=True):
        if section.title:
            lines += [f"## {_MARKDOWN.escape(section.title)}", ""]
        if section.remarks:
            lines += [*map(_prose, section.remarks), ""]
        lines += [*(grid(rows[0], rows[1:], section.left) if rows else [NO_DATASET]), ""]
    lines += [f"- {_prose(line)}" for line in table.below]
    lines += [line for notes in footnotes for line in _notes(notes)]
    return "\n".join(_without_gaps(lines)) + "\n"


def grid(header: Sequence[str], rows: Sequence[Sequence[str]], left: Sequence[bool]) -> list[str]:
    """A table; `left` says which columns are aligned left, the others are right."""
    aligned = ["---" if text else "---:" for text in left]
    return [f"| {' | '.join(row)} |" for row in (header, aligned, *rows)]


def terminal(table: Table) -> RenderableType:
    """What `rich.console.Console.print` takes."""
    grids, footnotes = lay(table, _RICH)
    parts: list[RenderableType] = [f"[bold]{escape(table.title)}[/bold]"]
    parts += [f"[red]{escape(mark)}[/red]" for mark in table.outcome.marks()]
    parts += [escape(line) for line in table.lead]
    for section, rows in zip(table.sections, grids, strict=True):
        parts += [f"\n[bold]{escape(section.title)}[/bold]"] if section.title else []
        parts += [*map(escape, section.remarks), _Fitted(section, rows) if rows else NO_DATASET]
    parts += [escape(f"- {line}") for line in table.below]
    for notes in footnotes:
        parts += [notes.title, *(escape(line) for line in notes.lines())]
    return Group(*parts)


def _notes(notes: Footnotes) -> list[str]:
    return ["", notes.title, "", *(f"- {_prose(line)}" for line in notes.lines())]


def _prose(line: str) -> str:
    """A line that may quote what comes from outside; what stands between backticks is code as it is."""
    parts = re.split("(`[^`]+`)", line)
    return "".join(part if part.startswith("`") else _IN_PROSE.sub(r"\\\g<0>", part) for part in parts)


def _without_gaps(lines: Sequence[str]) -> Iterator[str]:
    """No two empty lines in a row, and none at the end."""
    for index, line in enumerate(lines):
        if line or (index + 1 < len(lines) and lines[index + 1]):
            yield line


class _Fitted:
    """A grid in the width of the console: as many columns beside the labels as fit, the others below."""

    def __init__(self, section: Section, rows: Grid) -> None:
        self._rows = [[Text.from_markup(cell) for cell in row] for row in rows]
        self._left = section.left
        self._labels = section.labels + section.compared

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        widths = [self._width(column) for column in range(len(self._left))]
        labels, values = widths[: self._labels], widths[self._labels :]
        room = options.max_width - _GAP * (len(labels) + 1) - max(values)
        while sum(labels) > max(room, len(labels)):  # only labels are ever folded
            labels[labels.index(max(labels))] -= 1
        room = options.max_width - sum(labels) - _GAP * len(labels)
        for block in _blocks(values, room):
            columns = [*range(len(labels)), *(len(labels) + column for column in block)]
            yield self._drawn([*labels, *values], columns)

    def _width(self, column: int) -> int:
        """Letters of the longest cell, or of the longest word of the title."""
        title, *cells = (row[column] for row in self._rows)
        return max(*(cell.cell_len for cell in cells), *map(cell_len, title.plain.split()), 1)

    def _drawn(self, widths: Sequence[int], columns: Sequence[int]) -> Drawn:
        drawn = Drawn(box=box.HORIZONTALS, pad_edge=False, collapse_padding=True)
        for column in columns:
            justify: JustifyMethod = "left" if self._left[column] else "right"
            title = self._rows[0][column]
            drawn.add_column(title, justify=justify, overflow="fold", width=widths[column])
        for row in self._rows[1:]:
            drawn.add_row(*(row[column] for column in columns))
        return drawn


def _blocks(widths: Sequence[int], room: int) -> Iterator[list[int]]:
    """The columns that stand beside each other in `room`; at least one."""
    block: list[int] = []
    left = room
    for column, width in enumerate(widths):
        if block and width + _GAP > left:
            yield block
            block, left = [], room
        block.append(column)
        left -= width + _GAP
    yield block
