"""The contract that every method meets: settings, taps, a text side, scores; and what a learnt one adds.

A method holds no files, runs no loops over data and knows no devices: it works where its tower's results lie.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

import torch
from pydantic import AfterValidator, Field, ValidationError
from torch import Tensor, nn

from pipeline.clip import Clip, Features, Tap
from pipeline.errors import ParamsError, WeightsError
from pipeline.methods.auxiliary import AuxiliarySet, Picture, draw_mosaic
from pipeline.methods.prompt_data import published_prompts
from pipeline.settings import SettingsRecord

Temperature = Annotated[float, Field(ge=1e-3, le=100)]
"""Of a softmax over similarities in [-1, 1]: below, float32 knows 0 and 1 alone; above, all is one half."""
Epochs = Annotated[int, Field(ge=0, le=10_000)]  # published trainings have 3 to 50
BatchSize = Annotated[int, Field(ge=1, le=65_536)]  # more than any auxiliary set holds, or any memory
Rate = Annotated[float, Field(gt=0, le=10)]  # of learning; Adam moves each number by about as much a step
Weight = Annotated[
    float, Field(ge=0, le=1e4)
]  # of a part of a loss; beside more, float32 loses the other part

Share = Annotated[float, Field(ge=0, le=1)]

Block = Annotated[int, Field(ge=1, le=256)]  # of a tower, from 1; the largest CLIP has 48


def each_once(numbers: tuple[int, ...]) -> tuple[int, ...]:
    """The numbers of a setting.

    Raises:
        ValueError: there is none, or one stands there twice.
    """
    if not numbers:
        raise ValueError("at least one number is needed")
    if len(set(numbers)) != len(numbers):
        raise ValueError("a number stands there twice, and would count twice")
    return numbers


def odd_sides(sides: tuple[int, ...]) -> tuple[int, ...]:
    """Sides of squares of patches around a patch.

    Raises:
        ValueError: one is even, or as `each_once`.
    """
    if even := [side for side in sides if side % 2 == 0]:
        raise ValueError(f"{even[0]} is even: a neighbourhood has a patch in its middle")
    return each_once(sides)


Blocks = Annotated[tuple[Block, ...], AfterValidator(each_once)]
Sides = Annotated[tuple[Annotated[int, Field(ge=1, le=99)], ...], AfterValidator(odd_sides)]
"""Of neighbourhoods, in patches."""


class MethodSettings(SettingsRecord):
    """What `params.yaml` may say under `methods.<name>`; defaults are the paper's."""

    tower: str = "main"


class Training(SettingsRecord):
    """How a learnt method is tuned: Adam with betas (0.5, 0.999), no weight decay, no schedule.

    These are the settings of AnomalyCLIP's and VAND's public code.

    Attributes:
        epochs: Passes over the auxiliary set; 0 leaves the initial parameters.
        batch: Images a step; the last, smaller batch of an epoch is kept.
        lr: Learning rate.
        mosaic: Probability that an image is replaced by a 2x2 mosaic of images of its class (VAND).
    """

    epochs: Epochs = 15
    batch: BatchSize = 8
    lr: Rate = 1e-3
    mosaic: Share = 0.0

    @property
    def rates(self) -> Mapping[str, float]:
        """Learning rates of groups of parameters, by the first part of their names in `trainable`.

        Parameters outside every group are left alone. Empty: all parameters are one group, at `lr`.
        """
        return {}

    def optimiser(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        """A fresh optimiser of torch's parameter groups, each with `params` and `lr`."""
        return torch.optim.Adam(groups, betas=(0.5, 0.999))

    @property
    def redrawn(self) -> float:
        """Share of the images that `redraw` replaces; each costs a pass through the tower."""
        return self.mosaic

    def redraw(
        self, rows: Sequence[int], auxiliary: AuxiliarySet, generator: torch.Generator
    ) -> dict[int, Picture]:
        """New pictures for some places of a batch; each takes a pass through the tower.

        Args:
            rows: Of the batch in `auxiliary`.
            auxiliary: The whole set.
            generator: Of all chance.
        """
        if not self.mosaic:
            return {}
        chosen = torch.nonzero(torch.rand(len(rows), generator=generator) < self.mosaic).flatten().tolist()
        names = auxiliary.class_names
        return {
            place: draw_mosaic(auxiliary, auxiliary.members(names[rows[place]]), generator)
            for place in chosen
        }

    def rate(self, lr: float, step: int, steps: int) -> float:  # noqa: ARG002 - CoOp's depends on them
        """Learning rate at a step, counted from 0, of all `steps` of a group whose rate is `lr`."""
        return lr


class LearntSettings(MethodSettings):
    """Settings of a method that is tuned on an auxiliary set.

    Attributes:
        scoring_only: Names of settings that the loss does not read: a checkpoint learnt under other values of
            them is the same checkpoint.
    """

    scoring_only: ClassVar[frozenset[str]] = frozenset()

    training: Training = Training()

    @property
    def learns(self) -> bool:
        """Whether there is anything to tune; where not, neither seed nor auxiliary set can move a number."""
        return True

    @property
    def tuned_otherwise_on(self) -> Iterable[str]:
        """The auxiliary sets for which `training_on` says something of their own."""
        return ()

    def training_on(self, auxiliary: str) -> tuple[Training, ...]:  # noqa: ARG002 - VAND's depends on it
        """How the method is tuned on the auxiliary set of that name: its stages, one after another."""
        return (self.training,)


@dataclass(frozen=True)
class Scores:
    """Anomaly scores of a batch: `image` (B,) and `maps` (B, S, S), float32, higher is more anomalous.

    S is the tower's image size. Values are finite, their range is the method's own: the order counts, and for
    the paper's PRO the scale too (`pipeline.metrics.protocol`).
    """

    image: Tensor
    maps: Tensor


@dataclass(frozen=True)
class Batch:
    """Some images of an auxiliary set, on the tower's device.

    Attributes:
        features: `loss_taps` of B images.
        labels: (B,), 0 normal and 1 anomalous.
        masks: Bool (B, S, S), true where anomalous.
        class_names: B names.
    """

    features: dict[Tap, Tensor]
    labels: Tensor
    masks: Tensor
    class_names: list[str]


@dataclass(frozen=True)
class Losses:
    """A scalar to minimise and the parts that it was made of, unweighted."""

    total: Tensor
    parts: dict[str, Tensor]


class Method(ABC):
    """One zero-shot anomaly detector on one tower.

    Attributes:
        name: As in `params.yaml`; also the name of the module and of its prompts.
        title: As in the paper's tables.
        learnt: Whether it is tuned on an auxiliary set.
        track: Among which methods it stands; see `pipeline.results.RuleColumns`.
        class_aware: Whether its text side reads the class name. A setting may change it for one instance.
        Settings: Its settings class.
        prompts: File of its prompts.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    learnt: ClassVar[bool] = False
    track: ClassVar[str] = "main"
    class_aware: bool = False
    Settings: ClassVar[type[MethodSettings]]

    def __init__(self, settings: Any, clip: Clip, prompts: Path | None = None) -> None:
        self.settings = settings
        self.clip = clip
        self.prompts = prompts or published_prompts(self.name)

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> MethodSettings:
        """Settings from plain values.

        Raises:
            ParamsError: one line a bad key, each naming it.
        """
        try:
            return cls.Settings.model_validate(dict(values))
        except ValidationError as error:
            keys = [(".".join(map(str, item["loc"])), item["msg"]) for item in error.errors()]
            raise ParamsError(
                "\n".join(f"methods.{cls.name}.{key}: {message}" for key, message in keys)
            ) from error

    def require(self, possible: bool, key: str, message: str) -> None:
        """Refuse a setting that this tower cannot serve.

        Raises:
            ParamsError: `possible` is false; the message names the key.
        """
        if not possible:
            raise ParamsError(f"methods.{self.name}.{key}: {message}")

    def require_layers(self, layers: Sequence[int]) -> None:
        """Refuse blocks that the image tower does not have.

        Raises:
            ParamsError: a number of the setting `layers` is none of its blocks.
        """
        depth = self.clip.vision.depth
        for layer in layers:
            self.require(
                1 <= layer <= depth, "layers", f"{layer} is no block; the image tower has 1 to {depth}"
            )

    def require_start(self, start: int, layers: Sequence[int]) -> None:
        """Refuse a first block of the local path that lies behind what is read.

        Raises:
            ParamsError: `dpam_start` is none of the image tower's blocks, or behind one of `layers`.
        """
        depth, first = self.clip.vision.depth, min(layers)
        self.require(start <= depth, "dpam_start", f"{start}, but the image tower has {depth} blocks")
        self.require(start <= first, "dpam_start", f"{start} lies behind block {first}, which `layers` reads")

    @property
    @abstractmethod
    def taps(self) -> frozenset[Tap]:
        """What the tower must read for it."""

    @property
    def flop(self) -> float:
        """Operations an image of `score` beside the tower's pass: adaptors, a text side for every image.

        A multiplication and an addition are two. What compares features with a few rows counts as nothing.
        """
        return 0.0

    def text_features(self, class_name: str) -> Tensor | None:  # noqa: ARG002 - not every method has a text side
        """The text side of a class, float32, no gradient; None where there is no text side.

        (2, D), or (..., 2, D) for several pairs: rows L2-normalised, 0 normal and 1 abnormal. A tensor of any
        other shape is the method's own, such as what it makes a text of each image from.
        """
        return None

    @abstractmethod
    def score(self, features: Features, text: Any) -> Scores:
        """Scores of the images whose taps are given, against `text_features` of their class; no gradient."""


class LearntMethod(Method):
    """A method with parameters of its own, trained on frozen features."""

    learnt: ClassVar[bool] = True
    settings: LearntSettings

    @abstractmethod
    def reset(self, generator: torch.Generator) -> None:
        """Draw the initial parameters anew from a CPU generator."""

    @abstractmethod
    def trainable(self) -> nn.Module:
        """The module that holds the parameters; there may be none under some settings."""

    def prepare(self, batches: Iterable[Batch], stage: int) -> None:
        """Called before the first step of each stage; a method with several stages notes which one it is.

        Args:
            batches: The whole auxiliary set once, in order, unaltered; read only where it is iterated. What
                is made of it, such as a memory, is kept in buffers of `trainable`.
            stage: Number of the stage in `LearntSettings.training_on`, from 0.
        """

    @property
    def loss_taps(self) -> frozenset[Tap]:
        """What `loss` reads of `taps`: features that it does not name are neither kept nor moved."""
        return self.taps

    @property
    def loss_flop(self) -> float:
        """Operations an image of `loss`, forwards, beside the tower's pass."""
        return self.flop

    @abstractmethod
    def loss(self, features: Features, labels: Tensor, masks: Tensor, class_names: Sequence[str]) -> Losses:
        """The loss of a batch.

        Args:
            features: `loss_taps` of B images, on the tower's device.
            labels: (B,), 0 normal and 1 anomalous.
            masks: Bool (B, S, S), true where anomalous.
            class_names: B names.

        Returns:
            Scalars with a gradient to the parameters of `trainable`.
        """

    def state(self) -> dict[str, Tensor]:
        """What was learnt, on the CPU."""
        return {name: value.detach().cpu().clone() for name, value in self.trainable().state_dict().items()}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Take over what an equal method learnt. A buffer becomes as long as what was kept in it.

        Raises:
            WeightsError: names or shapes differ from this method's settings.
        """
        module = self.trainable()
        for name, buffer in module.named_buffers():
            if name in state and buffer.shape[1:] == state[name].shape[1:]:
                buffer.resize_(state[name].shape)
        own = module.state_dict()
        for name in sorted(own.keys() | state.keys()):
            expected, found = (
                tuple(side[name].shape) if name in side else "missing" for side in (own, state)
            )
            if expected != found:
                raise WeightsError(
                    f"{self.name}: learnt weight {name} is {found}, these settings need {expected}"
                )
        module.load_state_dict(dict(state))
        module.eval()
