"""CLIP-AC: CLIP with its two states inside an ensemble of ImageNet templates.

Not confirmed by the authors: the template set, and that each embedding is normalised before the mean, as in
CLIP's own zero-shot recipe.
"""

from typing import ClassVar

from pipeline.methods.base import MethodSettings
from pipeline.methods.clip import ClipMethod, ClipSettings


class ClipAcSettings(ClipSettings):
    """Settings of CLIP-AC; see `ClipSettings`."""

    templates: str = "imagenet_80"


class ClipAcMethod(ClipMethod):
    """CLIP with a prompt ensemble a class."""

    name: ClassVar[str] = "clip_ac"
    title: ClassVar[str] = "CLIP-AC"
    Settings: ClassVar[type[MethodSettings]] = ClipAcSettings
