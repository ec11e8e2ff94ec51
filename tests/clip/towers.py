"""Small CLIPs with random weights that make every part of a pass matter."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pipeline.clip import Clip, TowerSpec, load_clip
from pipeline.clip.architecture import build_model
from pipeline.clip.spec import Activation, Position

torch.set_num_threads(1)  # the towers are so small that threads only wait for each other


@dataclass(frozen=True)
class Shape:
    """Of a small CLIP; 77 tokens of context and CLIP's own vocabulary, as the tokenizer needs them."""

    blocks: int = 6
    width: int = 32
    head_width: int = 16
    patch: int = 8
    pretrain: int = 40
    embed: int = 24
    text_blocks: int = 6
    text_width: int = 32
    text_heads: int = 2

    def config(self) -> dict[str, Any]:
        return {
            "embed_dim": self.embed,
            "vision_cfg": {
                "image_size": self.pretrain,
                "layers": self.blocks,
                "width": self.width,
                "head_width": self.head_width,
                "patch_size": self.patch,
            },
            "text_cfg": {
                "context_length": 77,
                "vocab_size": 49408,
                "width": self.text_width,
                "heads": self.text_heads,
                "layers": self.text_blocks,
            },
        }


SMALL = Shape()


def random_state(shape: Shape, seed: int = 0) -> dict[str, Tensor]:
    """Weights with sharp attention and layer norms that are not the identity."""
    generator = torch.Generator().manual_seed(seed)
    state: dict[str, Tensor] = {}
    for name, value in build_model(shape.config(), "gelu", device="meta").state_dict().items():
        noise = torch.randn(value.shape, generator=generator)
        if value.dim() == 0:
            state[name] = torch.tensor(2.6)
        elif ".ln_" in name or name.startswith("ln_"):
            state[name] = 0.2 * noise + (1.0 if name.endswith("weight") else 0.0)
        elif name.endswith("bias"):
            state[name] = 0.1 * noise
        elif "in_proj" in name:
            state[name] = 1.7 * noise * value.shape[-1] ** -0.5
        elif "embedding" in name:
            state[name] = 0.3 * noise
        else:
            fan_in = value[0].numel() if "proj" not in name or name.endswith("weight") else value.shape[0]
            state[name] = noise * fan_in**-0.5
    return state


@dataclass(frozen=True)
class Tower:
    """A loaded random CLIP with what an independent computation needs to know of it."""

    clip: Clip
    state: Mapping[str, Tensor]
    shape: Shape

    @property
    def size(self) -> int:
        return self.clip.spec.image_size


def make_tower(
    folder: Path,
    *,
    size: int = 48,
    position: Position = "bilinear",
    activation: Activation = "quickgelu",
    shape: Shape = SMALL,
) -> Tower:
    config = folder / "config.json"
    config.write_text(json.dumps(shape.config()))
    state = random_state(shape)
    spec = TowerSpec("main", str(config), "unused.safetensors", size, position, activation)
    return Tower(load_clip(spec, state_dict=state), state, shape)


def random_images(count: int, size: int, seed: int = 0) -> Tensor:
    """Blurred noise, so that neighbouring patches have something in common: uint8 (count, size, size, 3)."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 7, 7, generator=generator)
    fine = torch.rand(count, 3, size, size, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, size=(size, size), mode="bilinear")
    return ((0.7 * smooth + 0.3 * fine) * 255).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()
