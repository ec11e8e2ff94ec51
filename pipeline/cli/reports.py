"""`zsad tables` and `zsad diff`: draw the tables, and compare two drawings."""

import sys
from pathlib import Path

import click

from pipeline.params import load_params


@click.command()
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
    for path in write_tables(
        metrics, expected_sets(params.every_dataset, params.builds), params.profile, out
    ):
        click.echo(path)


@click.command()
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
