"""A table in the terminal, by rich: best values bold, second best in italics."""

from typing import Final

from rich import box
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table as Drawn

from pipeline.tables.layout import NO_DATASET, Grid, Style, lay, marks
from pipeline.tables.model import Section, Table

_STYLE: Final = Style(lambda text: f"[bold]{text}[/bold]", lambda text: f"[italic]{text}[/italic]", escape)


def terminal(table: Table) -> RenderableType:
    """What `rich.console.Console.print` takes."""
    laid = lay(table, _STYLE)
    parts: list[RenderableType] = [f"[bold]{escape(table.title)}[/bold]"]
    parts += [f"[red]{escape(mark)}[/red]" for mark in marks(table.profile, table.shortfall)]
    parts += [escape(line) for line in table.lead]
    for section, rows in zip(table.sections, laid.grids, strict=True):
        parts += [*map(escape, section.remarks), _drawn(section, rows) if rows else NO_DATASET]
    parts += [escape(f"- {line}") for line in table.legend]
    for notes in laid.notes:
        parts += [notes.title, *(escape(line) for line in notes.lines())]
    return Group(*parts)


def _drawn(section: Section, rows: Grid) -> Drawn:
    drawn = Drawn(title=escape(section.title) or None, box=box.HORIZONTALS, pad_edge=False)
    for title, left in zip(rows[0], section.left, strict=True):
        drawn.add_column(title, justify="left" if left else "right", overflow="fold")
    for row in rows[1:]:
        drawn.add_row(*row)
    return drawn
