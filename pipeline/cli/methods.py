"""`zsad methods` and `zsad import-checkpoint`: which methods there are, and their official checkpoints."""

from pathlib import Path

import click

from pipeline.cli.score import DetectorOptions, detector_options
from pipeline.errors import WeightsError


@click.command()
def methods() -> None:
    """List every method: its names in params.yaml and in tables, its track, what it learns and reads.

    \b
    Example:
      zsad methods
    """  # noqa: D301 - click reads the backspace
    from rich.console import Console
    from rich.table import Table

    from pipeline import methods as known
    from pipeline.errors import ParamsError

    table = Table(box=None, pad_edge=False)
    for title in ("Method", "In tables", "Track", "Learnt", "Class names", "Tower", "From"):
        table.add_column(title)
    for name in known.names():
        try:
            kind = known.get(name)
        except ParamsError as error:
            click.echo(f"unusable: {error}", err=True)
            continue
        learnt, aware = ("yes" if it else "no" for it in (kind.learnt, kind.class_aware))
        table.add_row(name, kind.title, kind.track, learnt, aware, kind.parse({}).tower, known.origin(name))
    Console().print(table)


@click.command()
@click.argument("source", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("target", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--to",
    "form",
    type=click.Choice(["zsad", "official"]),
    default="zsad",
    show_default=True,
    help="What TARGET is: a .safetensors checkpoint of this project, or a file for the official code.",
)
@detector_options
@click.pass_obj
def import_checkpoint(
    params_file: Path, source: Path, target: Path, *, form: str, options: DetectorOptions
) -> None:
    """Convert an official AnomalyCLIP, VAND or Bayes-PFL checkpoint to ours, or ours to an official one.

    The tower is loaded, because the official files repeat parts of it: a file of another tower is refused.

    \b
    Example:
      zsad import-checkpoint epoch_15.pth anomalyclip.safetensors
      zsad import-checkpoint anomalyclip.safetensors epoch_15.pth --to official
    """  # noqa: D301 - click reads the backspace
    from pipeline.methods.base import LearntMethod
    from pipeline.training import save_checkpoint
    from pipeline.training.interchange import export_official

    if form == "zsad" and target.suffix != ".safetensors":
        raise click.UsageError(f"{target}: a checkpoint of this project ends in .safetensors")
    if form == "official" and target.suffix == ".safetensors":
        raise click.UsageError(f"{target}: an official checkpoint is no .safetensors file; use .pth")
    detector = options.open(params_file, method=None, checkpoint=source)
    if not isinstance(detector.method, LearntMethod):
        raise WeightsError(f"{source}: {detector.method.name} learns nothing")
    provenance = detector.provenance or {}
    if form == "zsad":
        save_checkpoint(target, detector.method, provenance)
    else:
        export_official(target, detector.method)
    known = provenance.get("source") or "no released file that is known by its digest"
    click.echo(f"{source}: {detector.method.title}, {known}")
    click.echo(target)
