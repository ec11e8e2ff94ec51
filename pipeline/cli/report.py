"""`zsad report`: figures and the HTML report of what is finished."""

from pathlib import Path

import click

from pipeline.params import load_params


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
