"""A loaded CLIP: frozen image and text towers, and the digest that names their content."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from pipeline.clip.spec import Tap, TowerSpec
from pipeline.clip.text import TextTower
from pipeline.clip.vision import VisionTower
from pipeline.files import value_digest

Features = Mapping[Tap, Tensor]


class Clip:
    """Frozen towers of one `TowerSpec`; see `load_clip`.

    Attributes:
        spec: What was asked for.
        vision: The image tower.
        text: The text tower.
        embed_dim: Channels of the joint space.
        device: Where the weights lie and every result appears.
    """

    def __init__(self, spec: TowerSpec, config: Mapping[str, Any], model: Any, vision: VisionTower) -> None:
        self.spec = spec
        self.vision = vision
        self.text = TextTower(model)
        self.embed_dim = int(model.text_projection.shape[1])
        self.device: torch.device = model.text_projection.device
        self._config = {key: config[key] for key in ("vision_cfg", "text_cfg")}
        self._state: dict[str, Tensor] = model.state_dict()

    @torch.no_grad()
    def encode_image(self, images: Tensor, taps: frozenset[Tap]) -> dict[Tap, Tensor]:
        """One pass over a batch, however many taps.

        Args:
            images: uint8 (B, S, S, 3) RGB with S the tower's image size; normalised inside.
            taps: What to read.

        Returns:
            One float32 tensor a tap; shapes are those of the taps' classes.
        """
        size = self.spec.image_size
        if images.dtype != torch.uint8 or tuple(images.shape[1:]) != (size, size, 3):
            raise ValueError(
                f"expected uint8 (B, {size}, {size}, 3), got {images.dtype} {tuple(images.shape)}"
            )
        return self.vision.read(images.to(self.device, non_blocking=True), taps)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the weights' content and of the rules they run under; no path or file format enters."""
        tensors = hashlib.sha256()
        for name, tensor in sorted(self._state.items()):
            tensors.update(f"{name} {tuple(tensor.shape)}\n".encode())
            tensors.update(tensor.float().contiguous().cpu().numpy().tobytes())
        rules = {
            key: value for key, value in asdict(self.spec).items() if key not in {"name", "model", "weights"}
        }
        return value_digest({"weights": tensors.hexdigest(), "config": self._config, **rules})
