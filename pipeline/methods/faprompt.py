"""FAPrompt: ten abnormal prompts on one normal one, moved by a prior of each image (ICCV 2025).

AnomalyCLIP's taps. The abnormal text is the mean of ten prompts that begin with the vectors of the normal one
and are driven apart. Ten patches of an image make a vector, which is added to the own vectors of all ten: a
first map is read without that prior, a second one and the class token with a text of each image. The public
code finds the ten most abnormal patches and then takes the first ten in reading order: `prior` chooses.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize, relu

from pipeline.clip import Clip, Features, Global, Local, Tap
from pipeline.methods.base import (
    Block,
    LearntMethod,
    LearntSettings,
    Losses,
    MethodSettings,
    Scores,
    Temperature,
    Weight,
)
from pipeline.methods.layers import draw_uniform, undrawn
from pipeline.methods.losses import binary_focal, likeness, map_losses
from pipeline.methods.prompt_learner import CompoundLearner, check_deep, choose_object_words
from pipeline.methods.readout import (
    MAX_SIGMA,
    anomaly_maps,
    probabilities,
    similarities,
    to_grid,
    upsample,
)

_PATCHES = 10  # of the prior
_NARROWER = 16  # the prior's hidden layer, against its input
_SECOND = 0.5  # weight of the second map's losses beside the first's
_GAMMA = 2  # of the image's focal loss
_Prior = Literal["first_10", "top_10"]


class FaPromptSettings(LearntSettings):
    """Settings of FAPrompt.

    Attributes:
        prompts: Name of a pair in `prompts/faprompt.yaml`; it names no class.
        n_ctx: Learnt vectors in front of the words of the normal prompt.
        abnormal_prompts: Abnormal prompts.
        abnormal_ctx: Own vectors of each, behind those of the normal one.
        prior: Which patches the prior reads: `first_10` in reading order, as coded; or the `top_10` most
            abnormal of the first map, the most abnormal first, as the paper says.
        deep_tokens: Tokens that a deep tensor overwrites.
        deep_layers: Deep tensors, before text blocks 2, 3, ...; the code's depth less one.
        dpam_start: First image block of the local path.
        layer: Block whose patch tokens make the maps.
        temperature: Of the softmax over the two classes.
        sigma: Of the Gaussian on the map, in pixels.
        likeness_weight: Weight of the likeness of the abnormal prompts to each other.
        prior_weight: Weight of the priors of normal images, which should be 0.
    """

    scoring_only: ClassVar[frozenset[str]] = frozenset({"sigma"})

    prompts: str = "object"
    n_ctx: int = Field(default=5, ge=1, le=77)
    abnormal_prompts: int = Field(default=10, ge=1, le=1000)
    abnormal_ctx: int = Field(default=2, ge=1, le=77)
    prior: _Prior = "first_10"
    deep_tokens: int = Field(default=4, ge=1, le=77)
    deep_layers: int = Field(default=8, ge=0, le=256)  # as `Block`
    dpam_start: Block = 6
    layer: Block = 24
    temperature: Temperature = 0.07
    sigma: float = Field(default=10.0, ge=0, le=MAX_SIGMA)
    likeness_weight: Weight = 0.1
    prior_weight: Weight = 1.0


class PriorNet(nn.Module):
    """What some patches of an image add to the abnormal vectors."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        inputs = _PATCHES * channels
        self.linear1 = nn.Linear(inputs, inputs // _NARROWER)
        self.linear2 = nn.Linear(inputs // _NARROWER, width)

    def reset(self, generator: torch.Generator) -> None:
        """Draw both layers as torch does by default."""
        for layer in (self.linear1, self.linear2):
            draw_uniform(layer, generator)

    def forward(self, patches: Tensor) -> Tensor:
        """Patches (B, 10, D), normalised, to (B, W)."""
        found: Tensor = self.linear2(relu(self.linear1(patches.flatten(1))))
        return found

    @property
    def flop(self) -> float:
        """Operations an image."""
        return float(sum(2 * layer.weight.numel() for layer in (self.linear1, self.linear2)))


class FaPrompt(LearntMethod):
    """One normal prompt, ten abnormal ones, and a prior of each image."""

    name: ClassVar[str] = "faprompt"
    title: ClassVar[str] = "FAPrompt"
    Settings: ClassVar[type[MethodSettings]] = FaPromptSettings
    settings: FaPromptSettings

    def __init__(self, settings: FaPromptSettings, clip: Clip, prompts: Path | None = None) -> None:
        super().__init__(settings, clip, prompts)
        self._check()
        words = choose_object_words(self, settings.prompts, settings.n_ctx + settings.abnormal_ctx)
        self._head, self._patches = Global(ln_post=False), Local("vv", settings.layer, settings.dpam_start)
        self._learner = CompoundLearner(
            clip,
            words,
            normal=(1, settings.n_ctx),
            abnormal=(settings.abnormal_prompts, settings.abnormal_ctx),
            deep=(settings.deep_layers, settings.deep_tokens),
        )
        self._prior = undrawn(lambda: PriorNet(clip.embed_dim, clip.text.width), clip.device)
        self._parts = nn.ModuleDict({"prompts": self._learner, "prior": self._prior})
        self.reset(torch.Generator().manual_seed(0))

    def _check(self) -> None:
        settings, patches = self.settings, self.clip.vision.grid**2
        self.require_layers([settings.layer])
        self.require_start(settings.dpam_start, [settings.layer])
        check_deep(self, settings.deep_layers, settings.deep_tokens, settings.n_ctx)
        self.require(
            patches >= _PATCHES, "prior", f"needs {_PATCHES} patches, an image of this tower has {patches}"
        )

    @property
    def taps(self) -> frozenset[Tap]:
        """The class token and the patches of one block."""
        return frozenset([self._head, self._patches])

    def reset(self, generator: torch.Generator) -> None:
        """Draw every vector from N(0, 0.02²) and the prior's layers as torch does."""
        self._learner.reset(generator)
        self._prior.reset(generator)

    def trainable(self) -> nn.Module:
        """Vectors and prior."""
        return self._parts

    @property
    def flop(self) -> float:
        """Every image has abnormal prompts of its own to encode; the normal one is the same for all."""
        return self._learner.abnormal_flop + self._prior.flop

    @torch.no_grad()
    def text_features(self, class_name: str) -> Tensor:  # noqa: ARG002 - no class is named
        """Features without a prior, those of the abnormal prompts averaged: (2, D)."""
        return _pair(self._learner.normal_features()[0], self._learner.abnormal_features()[0])

    def _probabilities(self, tokens: Tensor, text: Tensor) -> Tensor:
        return probabilities(tokens, text, self.settings.temperature)

    def _priors(self, patches: Tensor, abnormal: Tensor) -> Tensor:
        """What is added to the vectors: (B, W), of patches (B, N, D) and their probabilities (B, N)."""
        if self.settings.prior == "first_10":
            chosen = patches[:, :_PATCHES]
        else:  # among equals the first in reading order, so that the choice is the same on every device
            order = abnormal.detach().argsort(dim=1, descending=True, stable=True)[:, :_PATCHES]
            chosen = patches.gather(1, order[..., None].expand(-1, -1, patches.shape[-1]))
        found: Tensor = self._prior(normalize(chosen, dim=-1))
        return found

    def _second_text(self, normal: Tensor, priors: Tensor) -> Tensor:
        """Features of each image with its prior: (B, 2, D)."""
        abnormal = self._learner.abnormal_features(priors)[:, 0]
        return _pair(normal.expand(len(abnormal), -1), abnormal)

    @staticmethod
    def _image_score(image: Tensor, first: Tensor, second: Tensor) -> Tensor:
        """Half the probability of the image, half the peaks of its maps, the first of which counts twice."""
        peaks = (2 * first[..., 1].amax(1) + second[..., 1].amax(1)) / 3
        return 0.5 * (image[:, 1] + peaks)

    @torch.no_grad()
    def score(self, features: Features, text: Tensor) -> Scores:
        """Probability of the image and both peaks; the mean of both maps, upsampled and smoothed."""
        patches = features[self._patches]
        first = self._probabilities(patches, text)
        own = self._second_text(text[0], self._priors(patches, first[..., 1]))
        second, image = self._probabilities(patches, own), self._probabilities(features[self._head], own)
        maps = anomaly_maps([first, second], self.clip.spec.image_size, self.settings.sigma) / 2
        return Scores(self._image_score(image, first, second), maps)

    def loss(self, features: Features, labels: Tensor, masks: Tensor, class_names: Sequence[str]) -> Losses:  # noqa: ARG002
        """Focal and both dice of both maps; cross-entropy and focal of the image; likeness; priors."""
        settings, patches = self.settings, features[self._patches]
        normal, abnormal = self._learner.normal_features()[0], self._learner.abnormal_features()[0]
        first = self._probabilities(patches, _pair(normal, abnormal))
        priors = self._priors(patches, first[..., 1])
        own = self._second_text(normal, priors)
        second, logits = self._probabilities(patches, own), similarities(features[self._head], own)
        logits = logits / settings.temperature
        score = self._image_score(logits.softmax(dim=-1), first, second)
        parts = {
            "global": cross_entropy(logits, labels),
            # The code takes the score, which is a probability already, for a logit.
            "score": binary_focal(score.sigmoid(), labels.to(score.dtype), _GAMMA),
            "likeness": likeness(abnormal),
            "prior": ((priors**2).mean(dim=-1) * (labels == 0)).sum(),
        }
        total = parts["global"] + parts["score"] + settings.likeness_weight * parts["likeness"]
        total = total + settings.prior_weight * parts["prior"]
        for place, (weight, map_) in enumerate(((1.0, first), (_SECOND, second)), start=1):
            local = self._map_losses(map_, masks)
            total = total + weight * torch.stack(list(local.values())).sum()
            parts |= {f"{name}_{place}": value for name, value in local.items()}
        return Losses(total, parts)

    def _map_losses(self, patches: Tensor, masks: Tensor) -> dict[str, Tensor]:
        return map_losses([upsample(to_grid(patches), self.clip.spec.image_size)], masks)


def _pair(normal: Tensor, abnormal: Tensor) -> Tensor:
    """Of (..., D) and the mean of (..., prompts, D), normalised: (..., 2, D)."""
    return normalize(torch.stack([normal, abnormal.mean(dim=-2)], dim=-2), dim=-1)
