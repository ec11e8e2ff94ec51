"""`zsad tables` and `zsad report`: what a run came to, drawn, printed, or as one HTML page."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.errors import ZsadError
from pipeline.params import load_params

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.tables import Table

_FORMATS = ("terminal", "markdown", "latex", "csv", "html")
_WIDE = 240
"""Columns of a table that is printed to a file or a pipe, where `COLUMNS` says no other number."""


@click.command()
@click.argument("table", required=False)
@click.option(
    "--format", "kind", type=click.Choice(_FORMATS), help="Print TABLE, or all, instead of writing files."
)
@click.pass_obj
def tables(params_file: Path, table: str | None, kind: str | None) -> None:
    """Draw the tables of the cells that are finished, complete or not.

    With TABLE (table1 to table5, figure5, figure6, review7, metrics, protocols, or a data set) or --format
    the table is printed instead.

    Example: zsad tables table1 --format latex
    """
    from pipeline.tables import build_tables, read_outcome, write_run_tables

    params = load_params(params_file)
    if table is None and kind is None:
        for path in write_run_tables(params):
            click.echo(path)
        return
    built = build_tables(read_outcome(params))
    for one in built.values() if table is None else [_chosen(built, table)]:
        _show(one, kind or "terminal")


def _chosen(built: "Mapping[str, Table]", name: str) -> "Table":
    for candidate in (name, f"subsets/{name}"):
        if candidate in built:
            return built[candidate]
    known = ", ".join(it.removeprefix("subsets/") for it in built)
    raise ZsadError(f"{name}: this run has no such table; it has {known}")


def _show(table: "Table", kind: str) -> None:
    from pipeline.tables import FORMATS

    if kind != "terminal":
        click.echo(FORMATS[kind](table), nl=False)
        return
    from rich.console import Console

    from pipeline.tables.markdown import terminal

    console = Console()
    told = console.is_terminal or "COLUMNS" in os.environ
    (console if told else Console(width=_WIDE)).print(terminal(table))


@click.command()
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the report.  [default: report/PROFILE]",
)
@click.pass_obj
def report(params_file: Path, out: Path | None) -> None:
    """Write report.html and the figures of the cells that are finished, complete or not.

    The page is one file that opens from disk, without a network, and says revision, date and machine of the
    run. DVC's own copy in results/PROFILE/report leaves them out: it is the same in every clone.

    Example: zsad report --out report
    """
    from pipeline.report import read_sources, write_report

    params = load_params(params_file)
    for path in write_report(read_sources(params), out or Path("report") / params.profile):
        click.echo(path)
