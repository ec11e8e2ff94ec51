"""CoOp as a detector: one learnt context in front of "normal [cls]" and "anomalous [cls]", global loss only.

The paper documents the words; context length and optimiser are CoOp's own (Zhou et al., IJCV 2022) as far as
is known, and probabilities and maps are AnomalyCLIP's without its local path. Expect its numbers to within a
few points.
"""

from collections.abc import Sequence
from math import cos, pi
from pathlib import Path
from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import cross_entropy

from pipeline.clip import Clip, Features, Global, Local, Tap
from pipeline.methods.base import (
    BatchSize,
    Blocks,
    Epochs,
    LearntSettings,
    Losses,
    MethodSettings,
    Rate,
    Temperature,
    Training,
)
from pipeline.methods.prompt_learner import PromptLearner, PromptTuned, choose_words
from pipeline.methods.readout import MAX_SIGMA, Readout, similarities


class CoOpTraining(Training):
    """SGD with momentum; a first epoch at a constant rate, then a cosine towards 0.

    Attributes:
        warmup_lr: Learning rate of the first epoch.
    """

    epochs: Epochs = 50
    batch: BatchSize = 32
    lr: Rate = 2e-3
    warmup_lr: Rate = 1e-5

    def optimiser(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        """Stochastic gradient descent."""
        return torch.optim.SGD(groups, momentum=0.9, weight_decay=5e-4)

    def rate(self, lr: float, step: int, steps: int) -> float:
        """Constant within an epoch; the cosine starts with the second."""
        epoch = step * self.epochs // steps
        return lr * 0.5 * (1 + cos(pi * (epoch - 1) / self.epochs)) if epoch else self.warmup_lr


class CoOpSettings(LearntSettings):
    """Settings of CoOp.

    Attributes:
        prompts: Name of a pair in `prompts/coop.yaml`.
        n_ctx: Learnt vectors in front of the words.
        layers: Blocks whose patch tokens make the map.
        temperature: Of the softmax over the two classes.
        sigma: Of the Gaussian on the map, in pixels.
    """

    scoring_only: ClassVar[frozenset[str]] = frozenset({"layers", "sigma"})

    prompts: str = "coop1"
    n_ctx: int = Field(default=16, ge=1, le=77)
    layers: Blocks = (24,)
    temperature: Temperature = 0.07
    sigma: float = Field(default=4.0, ge=0, le=MAX_SIGMA)
    training: CoOpTraining = CoOpTraining()


class CoOp(PromptTuned):
    """One learnt context for both states and all classes."""

    name: ClassVar[str] = "coop"
    title: ClassVar[str] = "CoOp"
    class_aware = True
    Settings: ClassVar[type[MethodSettings]] = CoOpSettings
    settings: CoOpSettings

    def __init__(self, settings: CoOpSettings, clip: Clip, prompts: Path | None = None) -> None:
        super().__init__(settings, clip, prompts)
        self.require_layers(settings.layers)
        words = choose_words(self, settings.prompts, settings.n_ctx)
        patches = tuple(Local("qk", layer) for layer in settings.layers)
        size = clip.spec.image_size
        self._readout = Readout(Global(ln_post=True), patches, settings.temperature, size, settings.sigma)
        self._learner = PromptLearner(clip, words, context=(1, settings.n_ctx))
        self.reset(torch.Generator().manual_seed(0))

    @property
    def loss_taps(self) -> frozenset[Tap]:
        """The class token alone."""
        return frozenset([self._readout.head])

    def loss(self, features: Features, labels: Tensor, masks: Tensor, class_names: Sequence[str]) -> Losses:  # noqa: ARG002
        """Cross-entropy of the images; masks are not used."""
        text: Tensor = self._learner(class_names)
        logits = similarities(features[self._readout.head], text) / self.settings.temperature
        entropy = cross_entropy(logits, labels)
        return Losses(entropy, {"global": entropy})
