"""WinCLIP without reference images: window embeddings at several scales (Jeong et al., CVPR 2023).

As the authors of AnomalyCLIP coded it: windows are token masks, not image crops, and the image score is that
of the ordinary class token.
"""

from pathlib import Path
from typing import Annotated, ClassVar

import torch
from pydantic import AfterValidator, Field
from torch import Tensor
from torch.nn.functional import one_hot

from pipeline.clip import Clip, Features, Global, Tap, Windows
from pipeline.clip.vision import window_patches
from pipeline.methods.base import Method, MethodSettings, Scores, Temperature, each_once
from pipeline.methods.readout import probabilities, upsample
from pipeline.methods.text_ensemble import choose_templates, ensemble_features

_HEAD = Global(ln_post=True)
_Side = Annotated[int, Field(ge=1, le=512)]  # an image of 4096 px has so many patches of 8 px
_Sides = Annotated[tuple[_Side, ...], AfterValidator(each_once)]


class WinClipSettings(MethodSettings):
    """Settings of WinCLIP.

    Attributes:
        templates: `released_21` as coded by the authors of AnomalyCLIP, or `paper_22`.
        windows: Sides of the windows in patches.
        temperature: Of the softmax over the two classes.
    """

    tower: str = "winclip"
    templates: str = "released_21"
    windows: _Sides = (2, 3)
    temperature: Temperature = 0.07


class WinClip(Method):
    """Compositional prompts against windows."""

    name: ClassVar[str] = "winclip"
    title: ClassVar[str] = "WinCLIP"
    class_aware = True
    Settings: ClassVar[type[MethodSettings]] = WinClipSettings
    settings: WinClipSettings

    def __init__(self, settings: WinClipSettings, clip: Clip, prompts: Path | None = None) -> None:
        super().__init__(settings, clip, prompts)
        choose_templates(self, settings.templates)
        grid = clip.vision.grid
        for size in settings.windows:
            self.require(1 <= size <= grid, "windows", f"{size} does not fit into {grid} x {grid} patches")
        self._covers = {size: _cover(grid, size).to(clip.device) for size in settings.windows}

    @property
    def taps(self) -> frozenset[Tap]:
        """The class token and the windows of every scale."""
        return frozenset([_HEAD, *(Windows(size) for size in self.settings.windows)])

    @torch.no_grad()
    def text_features(self, class_name: str) -> Tensor:
        """Mean of the raw prompt embeddings, normalised."""
        return ensemble_features(self, self.settings.templates, class_name, normalise_each=False)

    @torch.no_grad()
    def score(self, features: Features, text: Tensor) -> Scores:
        """The class token's probability; the harmonic mean over scales and that probability, upsampled."""
        temperature = self.settings.temperature
        image = probabilities(features[_HEAD], text, temperature)[:, 1]
        inverse = 1 / image.double().unsqueeze(1)
        for size, cover in self._covers.items():
            windows = probabilities(features[Windows(size)], text, temperature)[..., 1].double()
            inverse = inverse + (1 / windows) @ cover
        grid = self.clip.vision.grid
        patches = (len(self._covers) + 1) / inverse
        maps = upsample(patches.view(-1, grid, grid), self.clip.spec.image_size)
        return Scores(image, maps.float())


def _cover(grid: int, size: int) -> Tensor:
    """Share of each window among those that cover a patch: (windows, patches), columns sum to 1."""
    covers = one_hot(window_patches(grid, size, torch.device("cpu")), grid * grid).sum(1).double()
    return covers / covers.sum(0)
