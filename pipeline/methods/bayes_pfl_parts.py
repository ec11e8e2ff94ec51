"""What Bayes-PFL learns, and how: settings, both stages of training, and all parameters in their groups."""

from collections.abc import Iterable, Mapping
from math import cos, log, pi
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from pipeline.clip import Clip
from pipeline.methods.augment import AugmentedTraining
from pipeline.methods.base import (
    BatchSize,
    Blocks,
    Epochs,
    LearntSettings,
    Rate,
    Share,
    Training,
    Weight,
)
from pipeline.methods.layers import PatchAttention, PatchPooling, draw_uniform
from pipeline.methods.prompt_flow import PromptFlow
from pipeline.methods.readout import MAX_SIGMA

HEADS = 4
"""Of the attention of texts to patches."""
SEEDS = 1 << 24
"""As many whole numbers as float32, and so a checkpoint, holds exactly."""
_TEMPERATURE = 0.07  # both, at first


class BayesPflTraining(AugmentedTraining):
    """First everything, then the image's side alone.

    Attributes:
        epochs: Of the first stage.
        image_epochs: Of the second.
        lr: Of linear layers, in both stages.
        prompt_lr: Of the bank.
        flow_lr: Of the flows and the constants of the states.
        temperature_lr: Of both temperatures.
        warmup: Share of all steps, those of the second stage counted, in which the rates rise from 0. Then
            they follow a cosine, of which the first stage sees its part; the second has a constant rate.
    """

    epochs: Epochs = 25
    image_epochs: Epochs = 5
    batch: BatchSize = 32
    lr: Rate = 1e-4
    prompt_lr: Rate = 1e-3
    flow_lr: Rate = 1e-3
    temperature_lr: Rate = 1e-2
    warmup: Share = 0.1

    @property
    def rates(self) -> Mapping[str, float]:
        """Of the first stage."""
        linear = dict.fromkeys(("encoders", "attention", "image"), self.lr)
        return {"bank": self.prompt_lr, "flows": self.flow_lr, "temperature": self.temperature_lr, **linear}

    def rate(self, lr: float, step: int, steps: int) -> float:
        """Up a line, down a cosine."""
        whole = steps * (self.epochs + self.image_epochs) // self.epochs
        rise = int(self.warmup * whole)
        if step < rise:
            return lr * step / rise
        return lr * 0.5 * (1 + cos(pi * (step - rise) / max(1, whole - rise)))

    def second(self) -> "_ImageTraining":
        """The second stage."""
        shared = {name: getattr(self, name) for name in ("batch", "lr", "mosaic", "augment")}
        return _ImageTraining(epochs=self.image_epochs, **shared)


class _ImageTraining(AugmentedTraining):
    """The second stage: what compares the image with the texts, at a constant rate."""

    @property
    def rates(self) -> Mapping[str, float]:
        """Of the image's side."""
        return {"image": self.lr}


class BayesPflSettings(LearntSettings):
    """Settings of Bayes-PFL.

    Attributes:
        layers: Blocks whose patches are read.
        prompts: Pairs of prompts in the bank.
        n_ctx: Context vectors of a prompt; its density depends on the image.
        n_state: Vectors of its state behind them.
        flows: Planar flows of each density.
        samples: Draws of an image's texts, each with its own draw of the states.
        sigma: Of the Gaussian on the map, in pixels.
        map_share: Share of the map in the image score.
        top_pixels: Highest pixels of the map, before smoothing, whose mean enters the image score.
        divergence_weight: Weight of the densities' part of the loss.
        orthogonality_weight: Weight of the cosines between the prompts of a state.
        mosaic_by_auxiliary: `training.mosaic` on single auxiliary sets.
    """

    scoring_only: ClassVar[frozenset[str]] = frozenset({"samples", "sigma", "map_share", "top_pixels"})

    tower: str = "vand"
    layers: Blocks = (6, 12, 18, 24)
    prompts: int = Field(default=3, ge=1, le=64)
    n_ctx: int = Field(default=5, ge=1, le=77)
    n_state: int = Field(default=5, ge=1, le=77)
    flows: int = Field(default=10, ge=1, le=256)
    samples: int = Field(default=10, ge=1, le=1000)
    sigma: float = Field(default=8.0, ge=0, le=MAX_SIGMA)
    map_share: Share = 0.5
    top_pixels: int = Field(default=2000, ge=1)
    divergence_weight: Weight = 0.01
    orthogonality_weight: Weight = 1.0
    training: BayesPflTraining = BayesPflTraining()
    mosaic_by_auxiliary: dict[str, Share] = Field(default_factory=lambda: {"mvtec": 0.4})

    @property
    def tuned_otherwise_on(self) -> Iterable[str]:
        """Those under `mosaic_by_auxiliary`."""
        return self.mosaic_by_auxiliary

    def training_on(self, auxiliary: str) -> tuple[Training, ...]:
        """Both stages, with mosaics on MVTec AD alone, as the public code has it."""
        mosaic = self.mosaic_by_auxiliary.get(auxiliary, self.training.mosaic)
        first = self.training.model_copy(update={"mosaic": mosaic})
        return first, first.second()


class Parts(PromptFlow):
    """All that is learnt, in the groups that have a rate of their own.

    Attributes:
        attention: Of texts to patches.
        image: `text_map` and `image_map` of what is compared, `pooling` of patches.
        temperature: `pixel` and `image`, as logarithms of what similarities are multiplied by.
        seed: Of the draws in evaluation, which are the same for every image; on the CPU, where it is read.
    """

    seed: Tensor

    def __init__(self, settings: BayesPflSettings, clip: Clip) -> None:
        joint, wide, blocks = clip.embed_dim, clip.vision.width, len(settings.layers)
        hidden, bank = wide // 2, (settings.prompts, settings.n_ctx, settings.n_state)
        super().__init__(sides=(joint, hidden, clip.text.width), bank=bank, flows=settings.flows)
        self.attention = PatchAttention(wide, joint, blocks=blocks, heads=HEADS)
        maps = {name: nn.Linear(joint, joint) for name in ("text_map", "image_map")}
        pooling = PatchPooling(wide * blocks, hidden, joint)
        self.image = nn.ModuleDict({**maps, "pooling": pooling})
        self.temperature = nn.ParameterDict({name: torch.empty(()) for name in ("pixel", "image")})
        self.register_buffer("seed", torch.empty(()))

    @torch.no_grad()
    def reset(self, generator: torch.Generator) -> None:
        """Draw all of it; the query of the attention as torch does by default."""
        super().reset(generator)
        draw_uniform(self.attention.query, generator)
        for temperature in self.temperature.values():
            temperature.fill_(-log(_TEMPERATURE))
        self.seed = torch.randint(SEEDS, (), generator=generator).float()
