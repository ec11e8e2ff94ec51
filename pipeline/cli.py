"""The `zsad` command. Parses and prints; the work is done by the packages, imported when it is needed."""

import sys
from pathlib import Path

import click

from pipeline.errors import ZsadError
from pipeline.params import PARAMS_FILE, load_params


class _Group(click.Group):
    """Shows a `ZsadError` as one line on standard error, with exit code 1."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except ZsadError as error:
            click.echo(f"error: {error}", err=True)
            sys.exit(1)


@click.group(cls=_Group)
@click.option("--params", type=click.Path(path_type=Path), default=PARAMS_FILE, show_default=True)
@click.pass_context
def main(ctx: click.Context, params: Path) -> None:
    """Regenerate, extend and check the zero-shot anomaly detection benchmark of AnomalyCLIP."""
    ctx.obj = params


@main.command()
@click.pass_obj
def tables(params_file: Path) -> None:
    """Draw the tables of the cells that are finished, complete or not.

    Example: zsad tables
    """
    from pipeline.results import read_metrics
    from pipeline.tables import expected_sets, write_tables

    params = load_params(params_file)
    metrics = read_metrics(params.results / "metrics")
    out = params.results / "tables"
    for path in write_tables(metrics, expected_sets(params.datasets), params.profile, out):
        click.echo(path)


@main.command()
@click.argument("before", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("after", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--tolerance",
    default=0.05,
    show_default=True,
    help="Largest difference, in printed points, that counts as none.",
)
def diff(before: Path, after: Path, tolerance: float) -> None:
    """Compare two folders of tables value by value; exit code 1 when one differs.

    Example: zsad diff old/tables results/miniature/tables
    """
    from pipeline.tables import compare_tables

    differences = compare_tables(before, after, tolerance)
    for difference in differences:
        click.echo(difference)
    click.echo(f"{len(differences)} values differ by more than {tolerance} points")
    if differences:
        sys.exit(1)


@main.command()
@click.pass_obj
def plan(params_file: Path) -> None:
    """List the groups of cells that the next evaluate would run.

    Example: zsad plan
    """
    from pipeline.execution.cell_store import CellStore
    from pipeline.execution.run import open_run

    run = open_run(load_params(params_file), CellStore())
    for task in run.tasks:
        click.echo(f"{task.label}: " + ", ".join(cell.cell.entry.label for cell in task.cells))
    missing = sum(len(task.cells) for task in run.tasks)
    click.echo(f"{missing} cells to run in {len(run.tasks)} groups")
    click.echo(f"{len(run.reused)} cells finished, {len(run.refused)} refused")
    for failure in run.refused:
        click.echo(f"refused: {failure.cell.label}: {failure.reason}", err=True)
    if run.refused:
        sys.exit(1)
