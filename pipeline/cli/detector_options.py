"""Options that name a detector: method, learnt weights, tower, settings, prompts; and its device."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.params import Params, load_params

if TYPE_CHECKING:
    from pipeline.execution.detector import Detector, DetectorRequest, GivenTower

_OPTIONS = (
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
            ZsadError: see `pipeline.execution.detector.open_detector`.
            click.UsageError: options that do not go together.
        """
        from pipeline.execution.detector import open_detector

        params: Params | None = None if self.model else load_params(params_file)
        device = self.device or (params.compute.device if params else "cpu")
        return open_detector(self._request(method, checkpoint), params, device)

    def _request(self, method: str | None, checkpoint: Path | None) -> "DetectorRequest":
        from pipeline.execution.detector import DetectorRequest

        settings = dict(map(_setting, self.settings))
        return DetectorRequest(method, checkpoint, self._tower(), settings, self.prompts)

    def _tower(self) -> "GivenTower | None":
        from pipeline.execution.detector import GivenTower

        if self.model and self.weights and self.image_size:
            return GivenTower(self.model, self.weights, self.image_size, self.position, self.activation)
        if any((self.model, self.weights, self.image_size, self.position, self.activation)):
            raise click.UsageError("a tower by hand needs --model, --weights and --image-size together")
        return None


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
    import yaml

    key, equals, value = text.partition("=")
    if not (key and equals):
        raise click.UsageError(f"--set {text}: expected KEY=VALUE, such as sigma=4.0 or layers=[24]")
    try:
        return key, yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise click.UsageError(f"--set {text}: the value is not YAML") from error
