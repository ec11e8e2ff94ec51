"""MRAD-TF: nothing is learnt; an image is compared with a memory of the auxiliary set (public code 1cc1c6b).

Image memory: the class token and label of every image. Patch memory: of every image the mean of its wholly
normal patches and that of its wholly anomalous ones. What a token resembles is told by a softmax over its
cosines to all keys, without a temperature. No text is read. `mrad_ft` learns how to compare.
"""

from collections.abc import Iterable, Sequence
from math import cos, pi
from pathlib import Path
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, cross_entropy, normalize

from pipeline.clip import Clip, Features, Global, Local, Tap
from pipeline.errors import TrainingError
from pipeline.methods.base import (
    Batch,
    Block,
    LearntMethod,
    LearntSettings,
    Losses,
    MethodSettings,
    Rate,
    Scores,
    Share,
    Temperature,
    Training,
)
from pipeline.methods.layers import undrawn
from pipeline.methods.losses import dice, focal
from pipeline.methods.readout import MAX_SIGMA, to_grid, upsample, upsample_smooth

_SIDES = (1, 3, 5)  # of the neighbourhoods, in patches
_LEAST_RATE = 1e-6  # where the cosine ends
KEYS = 3000
"""Of the patch memory of MVTec AD or VisA, about: two an image at most."""


class MradTraining(Training):
    """One epoch of Adam, the rate a cosine by steps."""

    epochs: int = Field(default=1, ge=0, le=10_000)
    lr: Rate = 4e-4

    def rate(self, lr: float, step: int, steps: int) -> float:
        """From `lr` down to 1e-6."""
        return _LEAST_RATE + (lr - _LEAST_RATE) * 0.5 * (1 + cos(pi * step / steps))


class MradSettings(LearntSettings):
    """Settings of MRAD: one value for all targets where the authors' code has several.

    Attributes:
        layer: Block whose patches are read, after `ln_post` and not projected.
        dpam_start: First block of the V-V stream.
        sigma: Of the Gaussian on the map, in pixels.
        map_share: Share of the map in the image score.
        top: Share of the map's pixels whose mean counts there, the highest.
        image_quantile: In the loss an image does not see the keys that are more like it than this share of
            them: it is itself among them.
        patch_quantile: Likewise a patch.
        temperature: Of the cross-entropy of the image's shares.
    """

    scoring_only: ClassVar[frozenset[str]] = frozenset({"sigma", "map_share", "top"})

    layer: Block = 24
    dpam_start: Block = 2
    sigma: float = Field(default=4.0, ge=0, le=MAX_SIGMA)
    map_share: Share = 0.3
    top: float = Field(default=0.01, gt=0, le=1)
    image_quantile: Share = 0.95
    patch_quantile: Share = 0.8
    temperature: Temperature = 0.07
    training: MradTraining = MradTraining()


class Memory(nn.Module):
    """Keys (n, width), L2-normalised, with labels (n,), and how a query is compared with them."""

    keys: Tensor
    labels: Tensor

    def __init__(self, query: nn.Module, key: nn.Module, width: int) -> None:
        super().__init__()
        self.query, self.key = query, key
        self.register_buffer("keys", torch.zeros(2, width))
        self.register_buffer("labels", torch.zeros(2))

    def reset(self, generator: torch.Generator) -> None:
        """Nothing is remembered yet: one drawn key of each label."""
        self.keys = normalize(torch.randn(2, self.keys.shape[1], generator=generator), dim=-1).to(self.keys)
        self.labels = torch.arange(2).to(self.labels)

    def remember(self, keys: Tensor, labels: Tensor) -> None:
        """Keep keys (n, width), and forget all others; labels (n,) are 0 or 1."""
        self.keys, self.labels = normalize(keys, dim=-1), labels.to(keys)

    def forward(self, queries: Tensor, quantile: float | None = None) -> Tensor:
        """Share of the anomalous keys: of queries (..., width), L2-normalised, (...) in [0, 1].

        Args:
            queries: What is looked up.
            quantile: Keys whose cosine to a query lies above this quantile of all do not count for it.
        """
        weights: Tensor = self.query(queries) @ self.key(self.keys).T
        if quantile is not None:
            alike = queries @ self.keys.T
            weights = weights.masked_fill(alike > alike.quantile(quantile, dim=-1, keepdim=True), -torch.inf)
        return weights.softmax(dim=-1) @ self.labels


class Memories(nn.Module):
    """Of images and of their patches."""

    def __init__(self, image: Memory, patch: Memory) -> None:
        super().__init__()
        self.image, self.patch = image, patch


class MradTf(LearntMethod):
    """Abnormal share of what an image and its patches resemble in a memory of the auxiliary set."""

    name: ClassVar[str] = "mrad_tf"
    title: ClassVar[str] = "MRAD-TF"
    Settings: ClassVar[type[MethodSettings]] = MradSettings
    settings: MradSettings

    def __init__(self, settings: MradSettings, clip: Clip, prompts: Path | None = None) -> None:
        super().__init__(settings, clip, prompts)
        self.require_layers([settings.layer])
        self.require_start(settings.dpam_start, [settings.layer])
        self._head = Global(ln_post=False)
        self._patches = Local("vv", settings.layer, settings.dpam_start, projected=False, normed=True)
        self._memories = undrawn(self._made, clip.device)
        self.reset(torch.Generator().manual_seed(0))

    def _made(self) -> Memories:
        return Memories(self._memory(self.clip.embed_dim), self._memory(self.clip.vision.width))

    def _memory(self, width: int) -> Memory:
        """Of tokens of `width` channels, which are compared as they are."""
        return Memory(nn.Identity(), nn.Identity(), width)

    @property
    def taps(self) -> frozenset[Tap]:
        """The class token without `ln_post`, and normed patches of one block."""
        return frozenset([self._head, self._patches])

    @property
    def flop(self) -> float:
        """Cosines of every patch with the memory."""
        return 2.0 * self.clip.vision.grid**2 * KEYS * self.clip.vision.width

    def trainable(self) -> Memories:
        """Both memories."""
        return self._memories

    def reset(self, generator: torch.Generator) -> None:
        """Draw what stands for a memory until there is one."""
        for memory in (self._memories.image, self._memories.patch):
            memory.reset(generator)

    @torch.no_grad()
    def prepare(self, batches: Iterable[Batch], stage: int) -> None:  # noqa: ARG002 - there is one stage
        """Remember the whole auxiliary set.

        Raises:
            TrainingError: no patch of it is wholly normal or wholly anomalous.
        """
        seen = [(batch.features[self._head], batch.labels, *self._whole(batch)) for batch in batches]
        heads, labels, patches, kinds = (torch.cat(column) for column in zip(*seen, strict=True))
        if not len(patches):
            raise TrainingError(
                f"{self.name}: no patch of the auxiliary set is wholly normal or wholly anomalous;"
                " tune it on another set"
            )
        self._memories.image.remember(heads, labels)
        self._memories.patch.remember(patches, kinds)

    def _whole(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Of each image the sums of its wholly normal and wholly anomalous patches, (n, W); which, (n,)."""
        patches = smoothed(batch.features[self._patches])
        masks = upsample(batch.masks.to(patches.dtype), self.clip.vision.grid).flatten(1)
        sides = torch.stack([masks == 0, masks == 1], dim=1)
        there = sides.any(-1)
        return (sides.to(patches.dtype) @ patches)[there], there.nonzero()[:, 1]

    def _shares(self, features: Features, *, masked: bool) -> tuple[Tensor, Tensor]:
        """Abnormal share of the images, (B,), and of their patches, (B, g, g)."""
        settings, memories = self.settings, self._memories
        quantiles = (settings.image_quantile, settings.patch_quantile) if masked else (None, None)
        image = memories.image(normalize(features[self._head], dim=-1), quantiles[0])
        patches = normalize(smoothed(features[self._patches]), dim=-1)
        return image, to_grid(memories.patch(patches, quantiles[1])[..., None])[:, 0]

    @torch.no_grad()
    def score(self, features: Features, text: None) -> Scores:  # noqa: ARG002 - there is no text side
        """The patches' shares, upsampled and smoothed; the image's, mixed with the mean of the map's top."""
        settings, size = self.settings, self.clip.spec.image_size
        image, patches = self._shares(features, masked=False)
        maps = upsample_smooth(patches, size, settings.sigma)
        top = maps.flatten(1).topk(max(1, int(size**2 * settings.top)), dim=1).values.mean(1)
        return Scores((1 - settings.map_share) * image + settings.map_share * top, maps)

    def loss(self, features: Features, labels: Tensor, masks: Tensor, class_names: Sequence[str]) -> Losses:  # noqa: ARG002
        """Cross-entropy of the image's shares; focal and abnormal dice of the unsmoothed map."""
        image, patches = self._shares(features, masked=True)
        abnormal = upsample(patches, self.clip.spec.image_size)
        logits = torch.stack([1 - image, image], dim=1) / self.settings.temperature
        parts = {
            "global": cross_entropy(logits, labels),
            "focal": focal(torch.stack([1 - abnormal, abnormal], dim=1), masks),
            "dice_abnormal": dice(abnormal, masks),
        }
        return Losses(parts["global"] + parts["focal"] + parts["dice_abnormal"], parts)


def smoothed(patches: Tensor) -> Tensor:
    """Mean over the neighbourhoods of 1, 3 and 5 patches a side around each patch; zeros lie outside.

    (B, g·g, W), to the same shape.
    """
    grid = to_grid(patches)
    means = [avg_pool2d(grid, side, stride=1, padding=side // 2) for side in _SIDES]
    return torch.stack(means).mean(0).flatten(2).transpose(1, 2)
