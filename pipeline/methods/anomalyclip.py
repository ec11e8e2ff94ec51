"""AnomalyCLIP: object-agnostic learnt prompts against V-V patch tokens (Zhou et al., ICLR 2024).

The settings cover the paper's ablations. Table 4: Base is attention qk, n_ctx 0, deep_layers 0; +T1 sets
attention vv; +T2 sets n_ctx 12; +T3 sets deep_layers 8. Table 5: global_weight and local_weight, 0 where a
loss is off. Figure 5: prompts object_aware. Figure 6: attention qq and kk. The authors' review thread:
shared_context, several kinds of attention, focal_weight or dice_weight 0 (its Tables 11, 12 and 14). The
class token skips ln_post, as in the public code.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar

import torch
from pydantic import AfterValidator, BeforeValidator, Field
from torch import Tensor
from torch.nn.functional import cross_entropy

from pipeline.clip import Clip, Features, Global, Local, Stream
from pipeline.methods.base import (
    Block,
    Blocks,
    LearntSettings,
    Losses,
    MethodSettings,
    Temperature,
    Weight,
    each_once,
)
from pipeline.methods.losses import map_losses
from pipeline.methods.prompt_learner import PromptLearner, PromptTuned, check_deep, choose_words
from pipeline.methods.readout import MAX_SIGMA, Readout, similarities, to_grid, upsample


def _listed(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


Attention = Annotated[tuple[Stream, ...], BeforeValidator(_listed), AfterValidator(each_once)]


class AnomalyClipSettings(LearntSettings):
    """Settings of AnomalyCLIP.

    Attributes:
        prompts: Name of a pair in `prompts/anomalyclip.yaml`.
        n_ctx: Learnt vectors in front of the words (the paper's E); 0 leaves the words alone.
        shared_context: Whether both prompts have the same learnt vectors (V = W).
        deep_tokens: Tokens that a deep tensor overwrites.
        deep_layers: Deep tensors, before text blocks 2, 3, ...
        attention: Of the local path, one kind or several, whose logits are averaged; qk is CLIP's own,
            without DPAM.
        dpam_start: First image block of the local path; no meaning with qk alone.
        layers: Blocks whose patch tokens make the map (the paper's set M).
        temperature: Of the softmax over the two classes.
        sigma: Of the Gaussian on the map, in pixels.
        global_weight: Weight of the image-level cross-entropy.
        local_weight: Weight of focal and dice (the paper's λ).
        focal_weight: Weight of focal beside dice, within λ.
        dice_weight: Likewise of both dice.
    """

    scoring_only: ClassVar[frozenset[str]] = frozenset({"sigma"})

    prompts: str = "object"
    n_ctx: int = Field(default=12, ge=0, le=77)
    shared_context: bool = False
    deep_tokens: int = Field(default=4, ge=1, le=77)
    deep_layers: int = Field(default=8, ge=0, le=256)  # as `Block`
    attention: Attention = ("vv",)
    dpam_start: Block = 6
    layers: Blocks = (24,)
    temperature: Temperature = 0.07
    sigma: float = Field(default=4.0, ge=0, le=MAX_SIGMA)
    global_weight: Weight = 1.0
    local_weight: Weight = 4.0
    focal_weight: Weight = 1.0
    dice_weight: Weight = 1.0

    @property
    def learns(self) -> bool:
        """Not with the words alone (Table 4, Base and +T1): deep tokens need learnt vectors to overwrite."""
        return self.n_ctx > 0


class AnomalyClip(PromptTuned):
    """Two learnt prompts that name no class."""

    name: ClassVar[str] = "anomalyclip"
    title: ClassVar[str] = "AnomalyCLIP"
    class_aware = False
    Settings: ClassVar[type[MethodSettings]] = AnomalyClipSettings
    settings: AnomalyClipSettings

    def __init__(self, settings: AnomalyClipSettings, clip: Clip, prompts: Path | None = None) -> None:
        super().__init__(settings, clip, prompts)
        self.require_layers(settings.layers)
        if settings.attention != ("qk",):
            self.require_start(settings.dpam_start, settings.layers)
        check_deep(self, settings.deep_layers, settings.deep_tokens, settings.n_ctx)
        words = choose_words(self, settings.prompts, settings.n_ctx)
        self.class_aware = words.class_aware
        patches = tuple(
            Local(stream, layer, 1 if stream == "qk" else settings.dpam_start)
            for layer in settings.layers
            for stream in settings.attention
        )
        size = clip.spec.image_size
        self._readout = Readout(Global(ln_post=False), patches, settings.temperature, size, settings.sigma)
        contexts = 1 if settings.shared_context else 2
        self._learner = PromptLearner(
            clip,
            words,
            context=(contexts, settings.n_ctx),
            deep=(settings.deep_layers, settings.deep_tokens),
        )
        self.reset(torch.Generator().manual_seed(0))

    def loss(self, features: Features, labels: Tensor, masks: Tensor, class_names: Sequence[str]) -> Losses:
        """Eq. 2: cross-entropy of the image, and λ times focal and both dice of each layer's map."""
        settings, readout = self.settings, self._readout
        text: Tensor = self._learner(class_names)
        logits = similarities(features[readout.head], text) / settings.temperature
        maps = [upsample(to_grid(patches), readout.size) for patches in readout.patch_layers(features, text)]
        parts = {"global": cross_entropy(logits, labels), **map_losses(maps, masks)}
        local = settings.focal_weight * parts["focal"] + settings.dice_weight * parts["dice_abnormal"]
        local = local + settings.dice_weight * parts["dice_normal"]
        return Losses(settings.global_weight * parts["global"] + settings.local_weight * local, parts)
