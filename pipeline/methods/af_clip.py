"""AF-CLIP: one attention adaptor for the tokens of four blocks and their neighbourhoods (ACM MM 2025).

Raw tokens, class token included, are averaged over 1 x 1, 3 x 3 and 5 x 5 patches; one adaptor maps all
twelve, CLIP's own norm and projection follow, and their similarities to two prompts that name no class are
added before one softmax. The public training does not follow the gradient of its loss: `gradient` chooses.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import l1_loss, normalize

from pipeline.clip import Clip, Features, Local, Tap
from pipeline.methods.base import (
    Blocks,
    Epochs,
    LearntMethod,
    LearntSettings,
    Losses,
    MethodSettings,
    Rate,
    Scores,
    Sides,
    Temperature,
    Training,
    Weight,
)
from pipeline.methods.layers import SelfAttention, neighbourhood, undrawn
from pipeline.methods.losses import binary_focal, focal_as_coded, patch_alignment, total
from pipeline.methods.prompt_learner import PromptLearner, choose_words
from pipeline.methods.readout import MAX_SIGMA, similarities, to_grid, upsample, upsample_smooth

_GAMMA = 4  # of both focal losses
_FLATNESS = 4.0  # σ in patches of a neighbourhood's weights, which are nearly equal
_STD = 0.01  # of the initial context
_HEADS, _HEAD_WIDTH = 8, 64


class AfClipTraining(Training):
    """Adam at a constant rate, two epochs."""

    epochs: Epochs = 2
    lr: Rate = 1e-4


class AfClipSettings(LearntSettings):
    """Settings of AF-CLIP.

    Attributes:
        prompts: Name of a pair in `prompts/af_clip.yaml`.
        n_ctx: Learnt vectors in front of the start token, shared by both prompts.
        layers: Blocks whose tokens are read.
        neighbourhoods: Sides in patches of the squares over which tokens are averaged; 1 leaves them alone.
        temperature: Of each similarity.
        sigma: Of the Gaussian on the map, in pixels.
        map_weight: Weight of focal and L1 loss of the map (λ1).
        alignment_weight: Weight of the patch alignment (λ2).
        gradient: `as_coded` is that of the public training, in which normal patches pull harder than their
            focal loss says (see `focal_as_coded`); `of_loss` is the loss's own.
    """

    scoring_only: ClassVar[frozenset[str]] = frozenset({"sigma"})

    prompts: str = "defect"
    n_ctx: int = Field(default=12, ge=1, le=77)
    layers: Blocks = (6, 12, 18, 24)
    neighbourhoods: Sides = (1, 3, 5)
    temperature: Temperature = 0.07
    sigma: float = Field(default=4.0, ge=0, le=MAX_SIGMA)
    map_weight: Weight = 1.0
    alignment_weight: Weight = 1.0
    gradient: Literal["as_coded", "of_loss"] = "as_coded"
    training: AfClipTraining = AfClipTraining()


class AfClip(LearntMethod):
    """An adaptor for tokens and their neighbourhoods, and one learnt context."""

    name: ClassVar[str] = "af_clip"
    title: ClassVar[str] = "AF-CLIP"
    Settings: ClassVar[type[MethodSettings]] = AfClipSettings
    settings: AfClipSettings

    def __init__(self, settings: AfClipSettings, clip: Clip, prompts: Path | None = None) -> None:
        super().__init__(settings, clip, prompts)
        self.require_layers(settings.layers)
        words = choose_words(self, settings.prompts, settings.n_ctx)
        self.class_aware = words.class_aware
        self._taps = [Local("qk", layer, projected=False, class_token=True) for layer in settings.layers]
        self._learner = PromptLearner(clip, words, context=(1, settings.n_ctx), first=0, std=_STD)
        self._adaptor = undrawn(lambda: SelfAttention(clip.vision.width, _HEADS, _HEAD_WIDTH), clip.device)
        self._parts = nn.ModuleDict({"prompts": self._learner, "adaptor": self._adaptor})
        self.reset(torch.Generator().manual_seed(0))

    @property
    def taps(self) -> frozenset[Tap]:
        """Raw tokens of the blocks."""
        return frozenset(self._taps)

    def reset(self, generator: torch.Generator) -> None:
        """Draw the context from N(0, 0.01²) and the adaptor as torch does."""
        self._learner.reset(generator)
        self._adaptor.reset(generator)

    def trainable(self) -> nn.Module:
        """Context and adaptor."""
        return self._parts

    @property
    def flop(self) -> float:
        """The adaptor and the projection to the joint space, once a block and neighbourhood."""
        vision, inner = self.clip.vision, _HEADS * _HEAD_WIDTH
        length, width = vision.grid**2 + 1, vision.width
        each = 8 * length * width * inner + 4 * length**2 * inner + 2 * length * width * self.clip.embed_dim
        return float(len(self._taps) * len(self.settings.neighbourhoods) * each)

    @torch.no_grad()
    def text_features(self, class_name: str) -> Tensor:
        """Features of both prompts."""
        features: Tensor = self._learner([class_name])[0]
        return features

    def _adapted(self, features: Features) -> Iterator[Tensor]:
        """Tokens of each block and neighbourhood in the joint space, (B, 1 + g², D), L2-normalised."""
        for tokens in self._neighbourhoods(features):
            yield normalize(self.clip.vision.to_joint(self._adaptor(tokens)), dim=-1)

    def _neighbourhoods(self, features: Features) -> Iterator[Tensor]:
        """Raw tokens of each block and neighbourhood, (B, 1 + g², W)."""
        for tap in self._taps:
            for side in self.settings.neighbourhoods:
                yield neighbourhood(features[tap], side, _FLATNESS)

    def _abnormal(self, tokens: Sequence[Tensor], text: Tensor) -> Tensor:
        """Probability of abnormal, of the class token and the patches: (B, 1 + g²)."""
        logits = total(similarities(each, text) / self.settings.temperature for each in tokens)
        return logits.softmax(dim=-1)[..., 1]

    @torch.no_grad()
    def score(self, features: Features, text: Tensor) -> Scores:
        """The class token's probability; those of the patches, upsampled and smoothed."""
        p = self._abnormal(list(self._adapted(features)), text)
        grid, size = to_grid(p[:, 1:, None])[:, 0], self.clip.spec.image_size
        return Scores(p[:, 0].contiguous(), upsample_smooth(grid, size, self.settings.sigma))

    def loss(self, features: Features, labels: Tensor, masks: Tensor, class_names: Sequence[str]) -> Losses:
        """Focal loss of the image; focal and L1 of the patches; alignment of their tokens."""
        settings = self.settings
        tokens = list(self._adapted(features))
        p = self._abnormal(tokens, self._learner(class_names))
        shares = upsample(masks.to(p.dtype), self.clip.vision.grid).flatten(1)  # bilinear at any size
        focal = focal_as_coded if settings.gradient == "as_coded" else binary_focal
        target = torch.where(shares == 0.5, shares, (shares > 0.5).to(p.dtype))
        parts = {
            "global": binary_focal(p[:, 0], labels.to(p.dtype), _GAMMA),
            "focal": focal(p[:, 1:], target, _GAMMA),
            "l1": l1_loss(p[:, 1:], target),
            "alignment": total(patch_alignment(each[:, 1:], target) for each in tokens) / len(tokens),
        }
        local = settings.map_weight * (parts["focal"] + parts["l1"])
        return Losses(parts["global"] + local + settings.alignment_weight * parts["alignment"], parts)
