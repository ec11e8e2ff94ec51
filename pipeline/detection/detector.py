"""From what a person names (method, tower, learnt weights, settings) to a method that is ready to score.

Settings come, in rising order, from `params.yaml` where the tower does, from the learnt weights, and from the
request. A tower that is given by hand runs under the rules of the method's published tower, never under rules
guessed from its weights.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple, cast

from pipeline import methods
from pipeline.clip import Clip, TowerSpec, load_clip
from pipeline.clip.spec import Activation, Position
from pipeline.errors import ParamsError, WeightsError
from pipeline.execution.tasks import tower_spec
from pipeline.files import file_digest
from pipeline.methods.base import LearntMethod, Method
from pipeline.params import Params
from pipeline.training import load_checkpoint, read_checkpoint
from pipeline.training.interchange import OfficialCheckpoint, read_official

# How the public code of each method runs its tower, by the name under which its settings ask for one.
_RULES: dict[str, tuple[Position, Activation]] = {
    "main": ("bilinear", "quickgelu"),
    "winclip": ("native", "gelu"),
    "vand": ("bicubic", "gelu"),
}


class GivenTower(NamedTuple):
    """A tower by hand; None leaves a rule to the method."""

    model: str
    weights: str
    image_size: int
    position: Position | None = None
    activation: Activation | None = None


@dataclass(frozen=True)
class Detector:
    """A method with what it learnt; file and provenance of that are None where nothing was learnt."""

    method: Method
    checkpoint: Path | None = None
    provenance: dict[str, Any] | None = None

    def facts(self) -> dict[str, Any]:
        """All that its scores depend on, beside the images and the code: JSON-able."""
        learnt = self.checkpoint and {**_file_facts(self.checkpoint), "provenance": self.provenance}
        return {
            "method": self.method.name,
            "settings": self.method.settings.model_dump(mode="json"),
            "prompts": _file_facts(self.method.prompts) if self.method.prompts.is_file() else None,
            "tower": asdict(self.method.clip.spec),
            "tower_digest": self.method.clip.digest,
            "learnt": learnt,
        }


def _file_facts(path: Path) -> dict[str, str]:
    return {"file": path.name, "sha256": file_digest(path)}


def open_detector(
    method: str | None,
    params: Params | None,
    *,
    checkpoint: Path | None = None,
    tower: GivenTower | None = None,
    settings: Mapping[str, Any] | None = None,
    prompts: Path | None = None,
    device: str = "cpu",
) -> Detector:
    """Load the tower, build the method, give it what it learnt.

    Args:
        method: By name; None takes the method that `checkpoint` belongs to.
        params: For towers and methods' settings; not read when the tower is given.
        checkpoint: What a learnt method learnt: ours (`.safetensors`) or an official file.
        tower: By hand; None takes the one that params name.
        settings: On top of all others.
        prompts: File of prompts in the form of the method's own; None takes those.
        device: A torch device.

    Raises:
        ParamsError: no such method, tower or setting, or a learnt method without a checkpoint.
        WeightsError: weights that are missing, damaged, or of another method or tower.
    """
    learnt = _Learnt.read(checkpoint) if checkpoint else None
    name = method or (learnt.method if learnt else None)
    if name is None:
        raise ParamsError("no method is named: give one, or a checkpoint of one")
    if (track := methods.get(name).track) != "main":
        raise ParamsError(
            f"{name} is of the {track} track, its score of an image is not of that image alone: "
            "`zsad datasets add FOLDER` and a run evaluate it"
        )
    if learnt is None and methods.get(name).learnt:
        raise ParamsError(f"{name} is a learnt method: give its checkpoint")
    if learnt is not None and learnt.method != name:
        raise WeightsError(f"{learnt.path} was learnt by {learnt.method}, not by {name}")
    base = dict(params.methods.get(name, {})) if params and not tower else {}
    changes = settings or {}
    known = {**base, **(learnt.settings if learnt else {}), **changes}
    clip = load_clip(_spec(name, known, tower, params), device=device)
    if learnt is None:
        return Detector(methods.build(name, known, clip, prompts))
    return learnt.detector(clip, base, changes, prompts)


def _spec(
    name: str, settings: Mapping[str, Any], given: GivenTower | None, params: Params | None
) -> TowerSpec:
    tower = methods.get(name).parse(settings).tower
    if given:
        if tower not in _RULES and not (given.position and given.activation):
            raise ParamsError(f"{name} has no published tower: give position and activation with the model")
        position, activation = _RULES.get(tower, (None, None))
        return TowerSpec(
            name=tower,
            model=given.model,
            weights=given.weights,
            image_size=given.image_size,
            position=given.position or position,  # type: ignore[arg-type]
            activation=given.activation or activation,  # type: ignore[arg-type]
        )
    if params is None or tower not in params.towers:
        raise ParamsError(
            f"{name} needs the tower {tower!r}, which is not under `towers`: add it or give one"
        )
    return tower_spec(params, tower)


@dataclass(frozen=True)
class _Learnt:
    """A checkpoint of either kind, before there is a tower."""

    path: Path
    method: str
    settings: dict[str, Any]
    official: OfficialCheckpoint | None

    @classmethod
    def read(cls, path: Path) -> "_Learnt":
        if path.suffix == ".safetensors":
            _, header = read_checkpoint(path)
            try:
                kind = methods.get(header["method"])
                kind.parse(header["settings"])
            except ParamsError as error:
                raise WeightsError(f"{path} cannot be used: {error}") from error
            if not kind.learnt:
                raise WeightsError(f"{path}: {kind.name} learns nothing, so this is no checkpoint of it")
            return cls(path, header["method"], header["settings"], None)
        official = read_official(path)
        return cls(path, official.method, {}, official)

    def detector(
        self, clip: Clip, base: Mapping[str, Any], changes: Mapping[str, Any], prompts: Path | None
    ) -> Detector:
        if self.official:
            official = self.official.build(clip, base, changes, prompts)
            return Detector(official, self.path, self.official.provenance)
        own = methods.build(self.method, {**base, **self.settings, **changes}, clip, prompts)
        method = cast("LearntMethod", own)
        return Detector(method, self.path, load_checkpoint(self.path, method))
