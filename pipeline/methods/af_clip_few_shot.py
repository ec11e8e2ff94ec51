"""AF-CLIP's few-shot form: its scores, and distances to raw tokens of a few normal images (ACM MM 2025).

What is learnt is AF-CLIP's own. The memory holds patches of the same blocks and neighbourhoods before the
adaptor; beside it the zero-shot scores count a tenth.
"""

from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from pipeline.clip import Clip, Features
from pipeline.methods.af_clip import AfClip, AfClipSettings
from pipeline.methods.base import MethodSettings, Scores, Weight
from pipeline.methods.few_shot import FewShotMethod, FewShotSettings, bank, distances_flop, nearest_distances
from pipeline.methods.losses import total
from pipeline.methods.prompt_data import published_prompts
from pipeline.methods.readout import to_grid, upsample_smooth


class AfClipFewShotSettings(AfClipSettings, FewShotSettings):
    """Settings of AF-CLIP, and of its memory.

    Attributes:
        alpha: Weight of AF-CLIP's own scores beside the distances (public code, `--alpha`).
    """

    scoring_only: ClassVar[frozenset[str]] = AfClipSettings.scoring_only | {"alpha", "shots"}

    alpha: Weight = 0.1


class _Memory(NamedTuple):
    """The text side, and patches of the reference images by block and neighbourhood, L2-normalised."""

    text: Tensor
    banks: list[Tensor]


class AfClipFewShot(FewShotMethod, AfClip):
    """AF-CLIP and the distances to reference images."""

    name: ClassVar[str] = "af_clip_few_shot"
    title: ClassVar[str] = "AF-CLIP few-shot"
    Settings: ClassVar[type[MethodSettings]] = AfClipFewShotSettings
    settings: AfClipFewShotSettings

    def __init__(self, settings: AfClipFewShotSettings, clip: Clip, prompts: Path | None = None) -> None:
        super().__init__(settings, clip, prompts or published_prompts(AfClip.name))

    @property
    def flop(self) -> float:
        """AF-CLIP's, and distances of patches to those of the reference images."""
        vision, spaces = self.clip.vision, len(self._taps) * len(self.settings.neighbourhoods)
        return super().flop + distances_flop([(vision.grid**2, vision.width)] * spaces, self.settings.shots)

    @property
    def loss_flop(self) -> float:
        """AF-CLIP's: the loss sees no memory."""
        return super().flop

    @torch.no_grad()
    def remember(self, references: Features, text: Tensor) -> _Memory:
        """Patches of the reference images before the adaptor."""
        return _Memory(text, [bank(tokens[:, 1:]) for tokens in self._neighbourhoods(references)])

    @torch.no_grad()
    def score(self, features: Features, text: Any) -> Scores:
        """The mean distance, smoothed, and its highest patch; a share of AF-CLIP's scores on top."""
        alone, alpha = super().score(features, text.text), self.settings.alpha
        spaces = zip(self._neighbourhoods(features), text.banks, strict=True)
        patches = total(nearest_distances(tokens[:, 1:], rows) for tokens, rows in spaces) / len(text.banks)
        grids = to_grid(patches[..., None])[:, 0]
        maps = upsample_smooth(grids, self.clip.spec.image_size, self.settings.sigma)
        return Scores(patches.amax(1) + alpha * alone.image, maps + alpha * alone.maps)
