"""`zsad init`: a folder to run the benchmark in."""

from pathlib import Path

import click


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
def init(folder: Path) -> None:
    """Make a new FOLDER a project of its own: settings, miniature data, and links to the installed code.

    \b
    Example:
      zsad init bench
      cd bench && dvc repro
    """  # noqa: D301 - click reads the backspace
    from pipeline.project import create

    create(folder)
    click.echo(f"{folder}: settings in params.yaml, stages in dvc.yaml, drawn data sets in data/")
    click.echo(f"run it: cd {folder} && dvc repro")
    click.echo("`dvc exp run` needs one commit: git add . && git commit -m start")
