"""`zsad score`: any folder of images, any method."""

import sys
from pathlib import Path

import click

from pipeline.cli.detector_options import DetectorOptions, detector_options


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--method", help="Name of the method.  [default: the one that --checkpoint belongs to]")
@click.option(
    "--checkpoint",
    type=click.Path(path_type=Path),
    help="What a learnt method learnt: a .safetensors file of the train stage, or an official AnomalyCLIP or"
    " VAND file.",
)
@click.option("--class-name", help="What the images show; only class-aware methods read it.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the results.  [default: scores/FOLDER]",
)
@click.option("--maps", is_flag=True, help="Write every anomaly map: maps/IMAGE.npz, array `map`.")
@click.option("--overlays", is_flag=True, help="Write every heatmap: overlays/IMAGE.png.")
@click.option("--batch", type=click.IntRange(1), default=16, show_default=True, help="Images a pass.")
@detector_options
@click.pass_obj
def score(  # noqa: PLR0913 - one argument an option
    params_file: Path,
    folder: Path,
    *,
    method: str | None,
    checkpoint: Path | None,
    class_name: str | None,
    out: Path | None,
    maps: bool,
    overlays: bool,
    batch: int,
    options: DetectorOptions,
) -> None:
    """Score every image of FOLDER, at any depth, and write scores.parquet.

    Higher is more anomalous. A file that cannot be read is named on standard error and left out; the exit
    code is then 1.

    \b
    Example:
      zsad score photos --checkpoint weights/miniature/mvtec/anomalyclip-seed111.safetensors --overlays
      zsad score photos --method clip --class-name bottle
    """  # noqa: D301 - click reads the backspace
    from pipeline.execution.folder_scoring import FolderTask, score_folder

    target = out or Path("scores") / folder.resolve().name
    task = FolderTask(folder, target, class_name, batch, maps, overlays)
    detector = options.open(params_file, method=method, checkpoint=checkpoint)
    done = score_folder(
        task, detector, lambda file: click.echo(f"left out: {file.name}: {file.reason}", err=True)
    )
    click.echo(f"{len(done.names)} images scored, {len(done.left_out)} files left out: {target}")
    if done.left_out:
        sys.exit(1)
