"""`zsad score`: any folder of images, any method.

The options that name a detector (method, learnt weights, tower, settings, prompts, device) are shared with
`zsad import-checkpoint`.
"""

import shlex
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.errors import count
from pipeline.params import Params, load_params

if TYPE_CHECKING:
    from pipeline.detection.detector import Detector, GivenTower


_OPTIONS = (
    click.option(
        "--profile",
        help="Towers and settings of a profile, such as `paper`, in place of those in params.yaml.",
    ),
    click.option("--model", help="A tower by hand: open_clip model name or config file; for --weights."),
    click.option("--weights", help="Weights file of --model, or an open_clip tag such as `openai`."),
    click.option(
        "--image-size", type=click.IntRange(1, 4096), help="Side of the input of --model in pixels."
    ),
    click.option(
        "--position",
        type=click.Choice(["bilinear", "bicubic", "native"]),
        help="Position embeddings of --model.  [default: the method's]",
    ),
    click.option(
        "--activation",
        type=click.Choice(["quickgelu", "gelu"]),
        help="Activation of --model.  [default: the method's]",
    ),
    click.option(
        "--set",
        "settings",
        multiple=True,
        metavar="KEY=VALUE",
        help="A setting of the method, as under `methods` in params.yaml; may be repeated.",
    ),
    click.option(
        "--prompts",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="A file of prompts in the form of the method's own.  [default: those]",
    ),
    click.option("--device", help="A torch device.  [default: as params.yaml, or cpu with --model]"),
)


@dataclass(frozen=True)
class DetectorOptions:
    """The options as typed."""

    profile: str | None
    model: str | None
    weights: str | None
    image_size: int | None
    position: Any
    activation: Any
    settings: tuple[str, ...]
    prompts: Path | None
    device: str | None

    def open(self, params_file: Path, *, method: str | None, checkpoint: Path | None) -> "Detector":
        """The detector that they name. `params_file` is not read when the tower is given by hand.

        Raises:
            ZsadError: see `pipeline.detection.detector.open_detector`.
            click.UsageError: options that do not go together.
        """
        from pipeline.detection.detector import open_detector

        params = None if self.model else self.params(params_file)
        return open_detector(
            method,
            params,
            checkpoint=checkpoint,
            tower=self._tower(),
            settings=dict(map(_setting, self.settings)),
            prompts=self.prompts,
            device=self.device or _device(params),
        )

    def params(self, params_file: Path) -> Params:
        """Of the profile, or else those of the project.

        Raises:
            ParamsError: there are none, or they cannot be used.
        """
        from pipeline.flows.request import composed_params

        return composed_params(self.profile) if self.profile else load_params(params_file)

    def _tower(self) -> "GivenTower | None":
        from pipeline.detection.detector import GivenTower

        if self.model and self.weights and self.image_size:
            return GivenTower(self.model, self.weights, self.image_size, self.position, self.activation)
        if any((self.model, self.weights, self.image_size, self.position, self.activation)):
            raise click.UsageError("a tower by hand needs --model, --weights and --image-size together")
        return None


def _device(params: Params | None) -> str:
    """As params say, where there is such a device; a profile may have been made for another machine."""
    import torch

    return params.compute.device if params and torch.cuda.is_available() else "cpu"


def detector_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options; the command gets them as one `DetectorOptions` under `options`."""

    @wraps(command)
    def wrapped(**values: Any) -> None:
        chosen = {field.name: values.pop(field.name) for field in fields(DetectorOptions)}
        command(options=DetectorOptions(**chosen), **values)

    for option in reversed(_OPTIONS):
        option(wrapped)
    return wrapped


def _setting(text: str) -> tuple[str, Any]:
    from pipeline.errors import ParamsError
    from pipeline.settings import parse_yaml

    key, equals, value = text.partition("=")
    if not (key and equals):
        raise click.UsageError(f"--set {text}: expected KEY=VALUE, such as sigma=4.0 or layers=[24]")
    try:
        return key, parse_yaml(value, "the value", ParamsError)
    except ParamsError as error:
        raise click.UsageError(f"--set {text}: {error}") from error


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
@click.option("--batch", type=click.IntRange(1, 4096), default=16, show_default=True, help="Images per pass.")
@click.option(
    "--threshold-from",
    metavar="DATASET",
    help="Name the images above the threshold that an evaluation gives this method on DATASET.",
)
@click.option(
    "--false-positives",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.05,
    show_default=True,
    help="Share of the normal images of DATASET that the threshold lets pass as anomalous.",
)
@click.option(
    "--bit-depth",
    type=click.IntRange(8, 16),
    help="Bits of what is stored in 16: 12 when white is 4095.  [default: by the folder's largest value]",
)
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
    threshold_from: str | None,
    false_positives: float,
    bit_depth: int | None,
    options: DetectorOptions,
) -> None:
    """Score every image of FOLDER, at any depth, and write scores.parquet.

    Higher is more anomalous. A file that cannot be read is named on standard error and left out; the exit
    code is then 1. A run that was killed goes on where it was when the same command is given again.

    \b
    Example:
      zsad score photos --checkpoint weights/miniature/mvtec/anomalyclip-seed111.safetensors --overlays
      zsad score photos --profile paper --method winclip --class-name bottle --overlays
      zsad score photos --method clip --class-name bottle --threshold-from mvtec --false-positives 0.01
    """  # noqa: D301 - click reads the backspace
    from pipeline.detection.folder import FolderTask, score_folder
    from pipeline.detection.threshold import carried_over, write_above

    target = out or Path("scores") / folder.resolve().name
    task = FolderTask(folder, target, class_name, batch, maps, overlays, bit_depth)
    detector = options.open(params_file, method=method, checkpoint=checkpoint)
    threshold = None
    if threshold_from:
        results = options.params(params_file).results
        threshold = carried_over(detector, results, threshold_from, false_positives)
    done = score_folder(
        task, detector, lambda file: click.echo(f"left out: {file.name}: {file.reason}", err=True)
    )
    left_out = f", {count(len(done.left_out), 'file')} left out" if done.left_out else ""
    went_on = f", {done.kept} of them before it was interrupted" if done.kept else ""
    click.echo(f"{count(len(done.names), 'image')} scored{went_on}{left_out}: {target}")
    if len(done.scores) > 1 and (tied := Counter(done.scores).most_common(1)[0][1]) > 1:
        click.echo(f"{tied} of {len(done.scores)} scores are equal: these images are not ranked")
    if Path(detector.method.clip.spec.weights).parent.name == "tiny_clip":
        click.echo(
            "these weights know the miniature's drawings only; for photos: "
            f"{_with_real_weights(folder, detector.method.name, class_name)}"
        )
    if done.depth_note:
        click.echo(f"{done.depth_note} (--bit-depth changes it)")
    if done.turned:
        click.echo(f"{count(done.turned, 'image')} with an orientation tag: scored as stored, not as shown")
    if threshold:
        for line in write_above(target, threshold, done):
            click.echo(line)
    if done.masks:
        click.echo(f"not scored: {count(len(done.masks), 'mask')}, such as {done.masks[0]}")
    if done.left_out:
        sys.exit(1)


def _with_real_weights(folder: Path, method: str, class_name: str | None) -> str:
    """The command that scores the folder with weights that know photos, by a method that needs no others."""
    from pipeline import methods

    ready = "winclip" if methods.get(method).learnt else method
    shown = class_name or "WHAT-THEY-SHOW"
    return shlex.join(
        ["zsad", "score", str(folder), "--profile", "paper", "--method", ready, "--class-name", shown]
    )
