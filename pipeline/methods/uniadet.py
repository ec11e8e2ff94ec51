"""UniADet: nothing is learnt but the weights of its decisions, two rows a task and block (arXiv 2601.05552).

No text is read. At each of five blocks the class token is compared with two rows for the image, every patch
with two others for the map; tasks and blocks share nothing. The authors' code is unreleased. What their page
does not say is from unofficial code, such as optimiser and schedule, or ours, such as σ (docs/protocol.md).
"""

from collections.abc import Iterator, Sequence
from math import cos, pi
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import AfterValidator, Field
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from pipeline.clip import Clip, Features, Global, Local, Tap
from pipeline.methods.auxiliary import AuxiliarySet, Picture, draw_cell, draw_square
from pipeline.methods.base import (
    Blocks,
    LearntMethod,
    LearntSettings,
    Losses,
    MethodSettings,
    Scores,
    Share,
    Temperature,
    Training,
    Weight,
    each_once,
)
from pipeline.methods.losses import dice, focal, total
from pipeline.methods.readout import MAX_SIGMA, similarities, to_grid, upsample, upsample_smooth

_STD = 0.02  # of the initial rows
_DECAY = 0.01
_LAST = 0.1  # share of the rate that the cosine goes down to
_Grids = Annotated[tuple[Annotated[int, Field(ge=2, le=16)], ...], AfterValidator(each_once)]


class UniADetTraining(Training):
    """AdamW, the rate a cosine by epochs towards a tenth; class-aware augmentation.

    Attributes:
        augment: Probability that an image is redrawn: as a mosaic of images of its class, all normal where it
            is normal, or as one cell of itself, an anomalous one where it is anomalous.
        grids: Cells a side of a mosaic or a cut, one of them drawn.
    """

    augment: Share = 0.5
    grids: _Grids = (2, 3)

    @property
    def redrawn(self) -> float:
        """Every augmented image is another picture."""
        return self.augment

    def redraw(
        self, rows: Sequence[int], auxiliary: AuxiliarySet, generator: torch.Generator
    ) -> dict[int, Picture]:
        """Mosaics and cells, as often the one as the other."""
        pictures: dict[int, Picture] = {}
        for place, row in enumerate(rows):
            chance, kind = torch.rand(2, generator=generator).tolist()
            if chance < self.augment:
                grid = self.grids[int(torch.randint(len(self.grids), (), generator=generator))]
                draw = draw_square if kind < 0.5 else draw_cell
                pictures[place] = draw(auxiliary, row, grid, generator)
        return pictures

    def optimiser(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        """With torch's betas."""
        return torch.optim.AdamW(groups, weight_decay=_DECAY)

    def rate(self, lr: float, step: int, steps: int) -> float:
        """Constant within an epoch."""
        wave = 0.5 * (1 + cos(pi * (step * self.epochs // steps) / self.epochs))
        return lr * (_LAST + (1 - _LAST) * wave)


class UniADetSettings(LearntSettings):
    """Settings of UniADet.

    Attributes:
        layers: Blocks whose tokens are read.
        projected: To the joint space, 768 channels in ViT-L/14, which alone gives the 0.015 M parameters that
            the authors print; otherwise tokens end after ln_post.
        temperature: Of each softmax over the two classes.
        sigma: Of the Gaussian on the map, in pixels.
        map_share: Share of the map's maximum in the image score.
        fusion: `late` takes the maximum of the mean map; `each` the mean of the blocks' maxima.
        map_weight: Weight of focal and dice loss.
    """

    scoring_only: ClassVar[frozenset[str]] = frozenset({"sigma", "map_share", "fusion"})

    layers: Blocks = (12, 15, 18, 21, 24)
    projected: bool = True
    temperature: Temperature = 0.07
    sigma: float = Field(default=4.0, ge=0, le=MAX_SIGMA)
    map_share: Share = 0.5
    fusion: Literal["late", "each"] = "late"
    map_weight: Weight = 1.0
    training: UniADetTraining = UniADetTraining()


class Decisions(nn.Module):
    """Rows of all blocks, normal first: `image` and `patch`, each (blocks, 2, D)."""

    def __init__(self, blocks: int, width: int, device: torch.device) -> None:
        super().__init__()
        self.image, self.patch = (
            nn.Parameter(torch.zeros(blocks, 2, width, device=device)) for _ in range(2)
        )


class UniADet(LearntMethod):
    """Learnt decision weights on frozen tokens, one pair a task and block."""

    name: ClassVar[str] = "uniadet"
    title: ClassVar[str] = "UniADet"
    Settings: ClassVar[type[MethodSettings]] = UniADetSettings
    settings: UniADetSettings

    def __init__(self, settings: UniADetSettings, clip: Clip, prompts: Path | None = None) -> None:
        super().__init__(settings, clip, prompts)
        self.require_layers(settings.layers)
        joint = settings.projected
        self._heads = [Global(layer=layer, projected=joint) for layer in settings.layers]
        self._patches = [Local("qk", layer, projected=joint, normed=not joint) for layer in settings.layers]
        width = clip.embed_dim if joint else clip.vision.width
        self._decisions = Decisions(len(settings.layers), width, clip.device)
        self.reset(torch.Generator().manual_seed(0))

    @property
    def taps(self) -> frozenset[Tap]:
        """Class token and patches of every block."""
        return frozenset([*self._heads, *self._patches])

    def reset(self, generator: torch.Generator) -> None:
        """Draw every row from N(0, 0.02²)."""
        with torch.no_grad():
            for parameter in self._decisions.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * _STD)

    def trainable(self) -> Decisions:
        """All rows."""
        return self._decisions

    def _logits(self, features: Features, taps: Sequence[Tap], rows: Tensor) -> Iterator[Tensor]:
        """Of each block: cosines to its two rows over the temperature."""
        for tap, pair in zip(taps, normalize(rows, dim=-1), strict=True):
            yield similarities(features[tap], pair) / self.settings.temperature

    def _maps(self, features: Features) -> Iterator[Tensor]:
        """Of each block: both probabilities of every pixel, (B, 2, S, S); logits are upsampled before."""
        for logits in self._logits(features, self._patches, self._decisions.patch):
            yield upsample(to_grid(logits), self.clip.spec.image_size).softmax(dim=1)

    @torch.no_grad()
    def score(self, features: Features, text: None) -> Scores:  # noqa: ARG002 - there is no text side
        """Mean of the blocks' class probabilities, mixed with the map's maximum; mean of the blocks' maps."""
        settings = self.settings
        logits = torch.stack(list(self._logits(features, self._heads, self._decisions.image)))
        maps = torch.stack([probabilities[:, 1] for probabilities in self._maps(features)])
        mean = maps.mean(0)
        peak = mean.amax((1, 2)) if settings.fusion == "late" else maps.amax((2, 3)).mean(0)
        image = logits.softmax(dim=-1)[..., 1].mean(0)
        smooth = upsample_smooth(mean, self.clip.spec.image_size, settings.sigma)
        return Scores((1 - settings.map_share) * image + settings.map_share * peak, smooth)

    def loss(self, features: Features, labels: Tensor, masks: Tensor, class_names: Sequence[str]) -> Losses:  # noqa: ARG002
        """Means over blocks: cross-entropy of the image; focal and abnormal dice of the unsmoothed map."""
        count, maps = len(self._patches), list(self._maps(features))
        heads = self._logits(features, self._heads, self._decisions.image)
        parts = {
            "global": total(cross_entropy(logits, labels) for logits in heads) / count,
            "focal": total(focal(each, masks) for each in maps) / count,
            "dice_abnormal": total(dice(each[:, 1], masks) for each in maps) / count,
        }
        local = parts["focal"] + parts["dice_abnormal"]
        return Losses(parts["global"] + self.settings.map_weight * local, parts)
