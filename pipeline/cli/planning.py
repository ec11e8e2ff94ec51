"""`zsad plan`: what the next evaluate would run."""

import sys
from pathlib import Path

import click

from pipeline.params import load_params


@click.command()
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
