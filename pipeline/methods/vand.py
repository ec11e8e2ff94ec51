"""VAND, also APRIL-GAN: a learnt linear layer on the raw patch tokens of some blocks (Chen et al., 2023).

Its tower is OpenAI's weights run with exact GELU and bicubic position embeddings, as its public code does by
accident and its published numbers carry. The image score is CLIP's own and is not trained.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from pipeline.clip import Clip, Features, Global, Local, Tap
from pipeline.methods.base import (
    Blocks,
    LearntMethod,
    LearntSettings,
    Losses,
    MethodSettings,
    Scores,
    Temperature,
    Training,
)
from pipeline.methods.layers import draw_uniform, undrawn
from pipeline.methods.losses import dice, focal, total
from pipeline.methods.readout import probabilities, similarities, to_grid, upsample
from pipeline.methods.text_ensemble import choose_templates, ensemble_features

_HEAD = Global(ln_post=True)


class VandSettings(LearntSettings):
    """Settings of VAND.

    Attributes:
        templates: Name of a template set in `prompts/vand.yaml`.
        layers: Blocks whose patch tokens are read.
        temperature: Of both softmaxes; 1 / logit scale.
        training_by_auxiliary: Training on single auxiliary sets, where it differs from `training`.
    """

    tower: str = "vand"
    templates: str = "released_35"
    layers: Blocks = (6, 12, 18, 24)
    temperature: Temperature = 0.01
    training_by_auxiliary: dict[str, Training] = Field(
        default_factory=lambda: {"mvtec": Training(epochs=3, mosaic=0.2)}
    )

    @property
    def tuned_otherwise_on(self) -> Iterable[str]:
        """Those under `training_by_auxiliary`."""
        return self.training_by_auxiliary

    def training_on(self, auxiliary: str) -> tuple[Training, ...]:
        """3 epochs with mosaics on MVTec AD, `training` elsewhere, as the public code's scripts."""
        return (self.training_by_auxiliary.get(auxiliary, self.training),)


class Projections(nn.Module):
    """One linear layer a block, from token width to the joint space; names as in the public checkpoints.

    Attributes:
        fc: Layers with weight (D, width) and bias (D,).
    """

    def __init__(self, clip: Clip, layers: int) -> None:
        super().__init__()
        sides = (clip.vision.width, clip.embed_dim)
        self.fc = nn.ModuleList(undrawn(lambda: nn.Linear(*sides), clip.device) for _ in range(layers))

    def reset(self, generator: torch.Generator) -> None:
        """Draw every layer as torch does by default."""
        for layer in self.fc:
            draw_uniform(layer, generator)


class Vand(LearntMethod):
    """Learnt projections of patch tokens against hand-written prompts."""

    name: ClassVar[str] = "vand"
    title: ClassVar[str] = "VAND"
    class_aware = True
    Settings: ClassVar[type[MethodSettings]] = VandSettings
    settings: VandSettings

    def __init__(self, settings: VandSettings, clip: Clip, prompts: Path | None = None) -> None:
        super().__init__(settings, clip, prompts)
        choose_templates(self, settings.templates)
        self.require_layers(settings.layers)
        self._patches = [Local("qk", layer, projected=False) for layer in settings.layers]
        self._projections = Projections(clip, len(self._patches))
        self._texts: dict[str, Tensor] = {}
        self.reset(torch.Generator().manual_seed(0))

    @property
    def taps(self) -> frozenset[Tap]:
        """The class token and raw patch tokens."""
        return frozenset([_HEAD, *self._patches])

    def reset(self, generator: torch.Generator) -> None:
        """Draw the linear layers as torch does by default."""
        self._projections.reset(generator)

    def trainable(self) -> Projections:
        """The linear layers."""
        return self._projections

    @torch.no_grad()
    def text_features(self, class_name: str) -> Tensor:
        """Mean of the normalised prompt embeddings, normalised."""
        return ensemble_features(self, self.settings.templates, class_name, normalise_each=True)

    def _maps(self, features: Features, text: Tensor) -> list[Tensor]:
        """Probability maps of each layer, (B, 2, S, S): the logits are upsampled, corners aligned."""
        maps = []
        for tap, layer in zip(self._patches, self._projections.fc, strict=True):
            logits = to_grid(similarities(layer(features[tap]), text) / self.settings.temperature)
            maps.append(upsample(logits, self.clip.spec.image_size, align_corners=True).softmax(dim=1))
        return maps

    @torch.no_grad()
    def score(self, features: Features, text: Tensor) -> Scores:
        """Softmax of the class token's similarities; sum of the layers' abnormal maps."""
        image = probabilities(features[_HEAD], text, self.settings.temperature)[:, 1]
        return Scores(image, total(maps[:, 1] for maps in self._maps(features, text)))

    @property
    def loss_taps(self) -> frozenset[Tap]:
        """The patch tokens alone."""
        return frozenset(self._patches)

    def loss(self, features: Features, labels: Tensor, masks: Tensor, class_names: Sequence[str]) -> Losses:  # noqa: ARG002
        """Focal and abnormal dice of each layer's map; labels are not used."""
        for name in set(class_names) - self._texts.keys():
            self._texts[name] = self.text_features(name)
        layers = self._maps(features, torch.stack([self._texts[name] for name in class_names]))
        parts = {
            "focal": total(focal(maps, masks) for maps in layers),
            "dice_abnormal": total(dice(maps[:, 1], masks) for maps in layers),
        }
        return Losses(parts["focal"] + parts["dice_abnormal"], parts)
