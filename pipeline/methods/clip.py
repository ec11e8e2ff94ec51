"""CLIP as a detector: two hand-written prompts, cosine similarity, nothing learnt.

The map follows AnomalyCLIP's steps on CLIP's own patch tokens. The paper does not say whether the class token
passes ln_post here; as in CLIP itself, it does.
"""

from pathlib import Path
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from pipeline.clip import Clip, Features, Global, Local, Tap
from pipeline.methods.base import Blocks, Method, MethodSettings, Scores, Temperature
from pipeline.methods.readout import MAX_SIGMA, Readout
from pipeline.methods.text_ensemble import choose_templates, ensemble_features


class ClipSettings(MethodSettings):
    """Settings of CLIP and CLIP-AC.

    Attributes:
        templates: Name of a template set in the method's prompts.
        layers: Blocks whose patch tokens make the map.
        temperature: Of the softmax over the two classes; moves maps, not image rankings.
        sigma: Of the Gaussian on the map, in pixels.
    """

    templates: str = "single"
    layers: Blocks = (24,)
    temperature: Temperature = 0.07
    sigma: float = Field(default=4.0, ge=0, le=MAX_SIGMA)


class ClipMethod(Method):
    """CLIP with one prompt a class."""

    name: ClassVar[str] = "clip"
    title: ClassVar[str] = "CLIP"
    class_aware = True
    Settings: ClassVar[type[MethodSettings]] = ClipSettings
    settings: ClipSettings

    def __init__(self, settings: ClipSettings, clip: Clip, prompts: Path | None = None) -> None:
        super().__init__(settings, clip, prompts)
        choose_templates(self, settings.templates)
        self.require_layers(settings.layers)
        patches = tuple(Local("qk", layer) for layer in settings.layers)
        size = clip.spec.image_size
        self._readout = Readout(Global(ln_post=True), patches, settings.temperature, size, settings.sigma)

    @property
    def taps(self) -> frozenset[Tap]:
        """The class token and the patch tokens of CLIP's own path."""
        return self._readout.taps

    @torch.no_grad()
    def text_features(self, class_name: str) -> Tensor:
        """Mean of the normalised prompt embeddings, normalised."""
        return ensemble_features(self, self.settings.templates, class_name, normalise_each=True)

    @torch.no_grad()
    def score(self, features: Features, text: Tensor) -> Scores:
        """Softmax of the class token's similarities; patch probabilities upsampled and smoothed."""
        return self._readout.score(features, text)
