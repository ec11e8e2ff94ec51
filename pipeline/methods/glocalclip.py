"""GlocalCLIP: one pair of learnt prompts for the image, another for its patches (arXiv 2411.06071).

AnomalyCLIP's taps and words. An abnormal prompt begins with the vectors of the normal one of its pair; deep
tokens serve all four. A triplet loss ties global and local text of a state together. The public code keeps
the patches of blocks 6, 12, 18 and 24 without copying them, and so has block 24's four times: `layers` and
`local_weight` as they are by default; [6, 12, 18, 24] and 1 are what the paper says.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize, pairwise_distance

from pipeline.clip import Clip, Features, Global, Local
from pipeline.methods.base import (
    Block,
    Blocks,
    LearntSettings,
    Losses,
    MethodSettings,
    Scores,
    Temperature,
    Weight,
)
from pipeline.methods.losses import map_losses
from pipeline.methods.prompt_learner import CompoundLearner, PromptTuned, check_deep, choose_object_words
from pipeline.methods.readout import (
    MAX_SIGMA,
    Readout,
    anomaly_maps,
    probabilities,
    similarities,
    to_grid,
    upsample,
)

_GLOBAL, _LOCAL = 0, 1


class GlocalClipSettings(LearntSettings):
    """Settings of GlocalCLIP: where its script has others for each target, the defaults of its code.

    Attributes:
        prompts: Name of a pair in `prompts/glocalclip.yaml`; it names no class.
        n_ctx: Learnt vectors in front of the words of a normal prompt.
        abnormal_ctx: Further ones of an abnormal prompt, behind those of the normal one.
        deep_tokens: Tokens that a deep tensor overwrites.
        deep_layers: Deep tensors, before text blocks 2, 3, ...; the code's depth less one.
        dpam_start: First image block of the local path.
        layers: Blocks whose patch tokens make the map.
        temperature: Of the softmax over the two classes.
        sigma: Of the Gaussian on the map, in pixels.
        local_weight: Weight of focal and both dice.
        glocal_weight: Weight of the triplet loss (the code's α).
        margin: Least distance of the global text of a state from the local text of the other; at 0 none is
            asked for.
    """

    scoring_only: ClassVar[frozenset[str]] = frozenset({"sigma"})

    prompts: str = "object"
    n_ctx: int = Field(default=12, ge=1, le=77)
    abnormal_ctx: int = Field(default=12, ge=1, le=77)
    deep_tokens: int = Field(default=4, ge=1, le=77)
    deep_layers: int = Field(default=8, ge=0, le=256)  # as `Block`
    dpam_start: Block = 6
    layers: Blocks = (24,)
    temperature: Temperature = 0.07
    sigma: float = Field(default=8.0, ge=0, le=MAX_SIGMA)
    local_weight: Weight = 4.0
    glocal_weight: Weight = 1.0
    margin: float = Field(default=0.0, ge=0, le=2)  # unit vectors are no further apart


class GlocalClip(PromptTuned):
    """Two pairs of learnt prompts, a global and a local one, that name no class."""

    name: ClassVar[str] = "glocalclip"
    title: ClassVar[str] = "GlocalCLIP"
    Settings: ClassVar[type[MethodSettings]] = GlocalClipSettings
    settings: GlocalClipSettings
    _learner: CompoundLearner

    def __init__(self, settings: GlocalClipSettings, clip: Clip, prompts: Path | None = None) -> None:
        super().__init__(settings, clip, prompts)
        self.require_layers(settings.layers)
        self.require_start(settings.dpam_start, settings.layers)
        check_deep(self, settings.deep_layers, settings.deep_tokens, settings.n_ctx)
        words = choose_object_words(self, settings.prompts, settings.n_ctx + settings.abnormal_ctx)
        patches = tuple(Local("vv", layer, settings.dpam_start) for layer in settings.layers)
        size = clip.spec.image_size
        self._readout = Readout(Global(ln_post=False), patches, settings.temperature, size, settings.sigma)
        self._learner = CompoundLearner(
            clip,
            words,
            normal=(2, settings.n_ctx),
            abnormal=(1, settings.abnormal_ctx),
            deep=(settings.deep_layers, settings.deep_tokens),
        )
        self.reset(torch.Generator().manual_seed(0))

    def _text(self) -> Tensor:
        """Features of both pairs, global first: (2, 2, D), normalised, with a gradient."""
        normal, abnormal = self._learner.normal_features(), self._learner.abnormal_features()[:, 0]
        return normalize(torch.stack([normal, abnormal], dim=1), dim=-1)

    @torch.no_grad()
    def text_features(self, class_name: str) -> Tensor:  # noqa: ARG002 - no class is named
        """Features of both pairs, global first: (2, 2, D)."""
        return self._text()

    @torch.no_grad()
    def score(self, features: Features, text: Tensor) -> Scores:
        """Abnormal probability of the class token by the global pair; patches by the local one, smoothed."""
        settings, readout = self.settings, self._readout
        image = probabilities(features[readout.head], text[_GLOBAL], settings.temperature)[:, 1]
        layers = readout.patch_layers(features, text[_LOCAL])
        return Scores(image, anomaly_maps(layers, readout.size, settings.sigma))

    def loss(self, features: Features, labels: Tensor, masks: Tensor, class_names: Sequence[str]) -> Losses:  # noqa: ARG002
        """Cross-entropy of the image; focal and both dice of each layer's map; triplet loss of the texts."""
        settings, readout, text = self.settings, self._readout, self._text()
        logits = similarities(features[readout.head], text[_GLOBAL]) / settings.temperature
        layers = readout.patch_layers(features, text[_LOCAL])
        maps = [upsample(to_grid(patches), readout.size) for patches in layers]
        parts = {
            "global": cross_entropy(logits, labels),
            **map_losses(maps, masks),
            "glocal": _triplet(text[_GLOBAL], text[_LOCAL], settings.margin),
        }
        local = parts["focal"] + parts["dice_abnormal"] + parts["dice_normal"]
        total = parts["global"] + settings.local_weight * local + settings.glocal_weight * parts["glocal"]
        return Losses(total, parts)


def _triplet(anchors: Tensor, others: Tensor, margin: float) -> Tensor:
    """Of both states, added: d² of one state, plus (margin − d)² of unlike ones that are nearer than that.

    Args:
        anchors: Global text, (2, D).
        others: Local text, (2, D).
        margin: As in the settings.
    """
    alike, unlike = pairwise_distance(anchors, others), pairwise_distance(anchors, others.flip(0))
    return (alike**2 + (margin - unlike).clamp(min=0) ** 2).sum()
