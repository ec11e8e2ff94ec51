"""WinCLIP+: WinCLIP, and distances to patches and windows of a few normal images (CVPR 2023, section 4.3).

The paper has no public code; as anomalib has it, patches of the last block pass `ln_post` without the
projection, distances of windows are joined by the harmonic mean as their probabilities are, and the three
maps by the plain one.
"""

from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from pipeline.clip import Clip, Features, Local, Tap, Windows
from pipeline.methods.base import MethodSettings, Scores
from pipeline.methods.few_shot import FewShotMethod, FewShotSettings, bank, distances_flop, nearest_distances
from pipeline.methods.prompt_data import published_prompts
from pipeline.methods.readout import to_grid, upsample
from pipeline.methods.winclip import WinClip, WinClipSettings

_NEAREST = 1e-9  # of a window that is a reference's own: its harmonic mean is 0, not undefined


class WinClipPlusSettings(WinClipSettings, FewShotSettings):
    """Settings of WinCLIP, and the number of reference images."""


class _Memory(NamedTuple):
    """The text side, and the rows of the reference images in each space, L2-normalised."""

    text: Tensor
    banks: dict[Tap, Tensor]


class WinClipPlus(FewShotMethod, WinClip):
    """WinCLIP and the distances to reference images, in equal parts."""

    name: ClassVar[str] = "winclip_plus"
    title: ClassVar[str] = "WinCLIP+"
    Settings: ClassVar[type[MethodSettings]] = WinClipPlusSettings
    settings: WinClipPlusSettings

    def __init__(self, settings: WinClipPlusSettings, clip: Clip, prompts: Path | None = None) -> None:
        super().__init__(settings, clip, prompts or published_prompts(WinClip.name))
        self._patches = Local("qk", clip.vision.depth, projected=False, normed=True)

    @property
    def taps(self) -> frozenset[Tap]:
        """WinCLIP's, and the patches of the last block."""
        return super().taps | {self._patches}

    @property
    def flop(self) -> float:
        """Distances of patches and windows to those of the reference images."""
        grid, joint = self.clip.vision.grid, self.clip.embed_dim
        windows = [((grid - size + 1) ** 2, joint) for size in self.settings.windows]
        return distances_flop([(grid**2, self.clip.vision.width), *windows], self.settings.shots)

    @torch.no_grad()
    def remember(self, references: Features, text: Tensor) -> _Memory:
        """Patches and windows of the reference images."""
        spaces: list[Tap] = [self._patches, *map(Windows, self._covers)]
        return _Memory(text, {tap: bank(references[tap]) for tap in spaces})

    @torch.no_grad()
    def score(self, features: Features, text: Any) -> Scores:
        """The mean of WinCLIP's scores and of the distances: their map, and its highest patch."""
        alone, grids = super().score(features, text.text), self._distances(features, text.banks)
        maps = upsample(grids, self.clip.spec.image_size).float()
        return Scores((alone.image + grids.amax((1, 2)).float()) / 2, (alone.maps + maps) / 2)

    def _distances(self, features: Features, banks: dict[Tap, Tensor]) -> Tensor:
        """The mean over the scales: (B, g, g), in [0, 1]."""
        scales = [nearest_distances(features[self._patches], banks[self._patches]).double()]
        for size, cover in self._covers.items():
            tap = Windows(size)
            windows = nearest_distances(features[tap], banks[tap]).double().clamp(min=_NEAREST)
            scales.append(1 / ((1 / windows) @ cover))
        return to_grid(torch.stack(scales).mean(0)[..., None])[:, 0]
