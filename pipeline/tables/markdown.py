"""A table as Markdown and in the terminal: best values bold, second best in italics, footnotes for reasons.

Markdown is one file for each table; the terminal is drawn by rich, which folds what is too wide.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from rich import box
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table as Drawn

from pipeline.tables.layout import NO_DATASET, Footnotes, Grid, Style, lay
from pipeline.tables.model import Section, Table

# What would end a cell, or begin a tag or a link; marks of our footnotes begin none.
_MARKS: Final = re.compile(r"[\\|<>]|\[(?!c?\d+\])")
_IN_PROSE: Final = re.compile(r"[\\<]|\[(?=[^]]*\][(\[:])")
_MARKDOWN: Final = Style(
    lambda text: f"**{text}**", lambda text: f"*{text}*", lambda text: _MARKS.sub(r"\\\g<0>", text)
)
_RICH: Final = Style(lambda text: f"[bold]{text}[/bold]", lambda text: f"[italic]{text}[/italic]", escape)


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
    lines += [f"- {_prose(line)}" for line in table.legend]
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
        parts += [*map(escape, section.remarks), _drawn(section, rows) if rows else NO_DATASET]
    parts += [escape(f"- {line}") for line in table.legend]
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


def _drawn(section: Section, rows: Grid) -> Drawn:
    drawn = Drawn(title=escape(section.title) or None, box=box.HORIZONTALS, pad_edge=False)
    for title, left in zip(rows[0], section.left, strict=True):
        drawn.add_column(title, justify="left" if left else "right", overflow="fold")
    for row in rows[1:]:
        drawn.add_row(*row)
    return drawn
