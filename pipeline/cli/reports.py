"""`zsad tables` and `zsad diff`: draw the tables, print one, and compare two runs."""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click

from pipeline.errors import ZsadError
from pipeline.params import load_params

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.tables import Table

_FORMATS = ("terminal", "markdown", "latex", "csv", "html")
_WIDE = 240
"""Columns of a table that is printed to a file or a pipe."""


@click.command()
@click.argument("table", required=False)
@click.option(
    "--format", "kind", type=click.Choice(_FORMATS), help="Print TABLE, or all, instead of writing files."
)
@click.pass_obj
def tables(params_file: Path, table: str | None, kind: str | None) -> None:
    """Draw the tables of the cells that are finished, complete or not.

    With TABLE (table1 to table5, figure5, figure6, or a data set) or --format the table is printed instead.

    Example: zsad tables table1 --format latex
    """
    from pipeline.tables import build_tables, read_run, write_run_tables

    params = load_params(params_file)
    if table is None and kind is None:
        for path in write_run_tables(params):
            click.echo(path)
        return
    built = build_tables(*read_run(params), params.profile)
    for one in built.values() if table is None else [_chosen(built, table)]:
        _show(one, kind or "terminal")


@click.command()
@click.argument("before")
@click.argument("after")
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0),
    default=0.05,
    show_default=True,
    help="Largest difference, in printed points, that counts as none.",
)
@click.option("--exact", is_flag=True, help="Exit with 1 as soon as one value differs, noise or not.")
@click.option("--format", "kind", type=click.Choice(("text", "markdown")), default="text", show_default=True)
@click.pass_obj
def diff(params_file: Path, before: str, after: str, tolerance: float, exact: bool, kind: str) -> None:
    """Compare two runs value by value; exit code 1 when one got worse by more than noise, or is gone.

    BEFORE and AFTER are folders (of tables, or of results), git revisions or DVC experiments.

    Example: zsad diff main results/miniature
    """
    from pipeline.cli.sides import tables_of
    from pipeline.tables import compare_tables, diff_markdown, diff_text

    with TemporaryDirectory() as scratch:
        first = tables_of(before, params_file, Path(scratch) / "before")
        second = tables_of(after, params_file, Path(scratch) / "after")
        differences = compare_tables(first, second, tolerance)
    click.echo((diff_markdown if kind == "markdown" else diff_text)(differences, tolerance))
    if any(exact or difference.regression for difference in differences):
        sys.exit(1)


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

    from pipeline.tables.terminal import terminal

    console = Console()
    (console if console.is_terminal else Console(width=_WIDE)).print(terminal(table))
