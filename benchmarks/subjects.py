"""What the benchmarks measure: towers with random weights, the cells of the paper, the miniature's shards.

Random weights cost what trained ones cost, and need no download.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from torch import Tensor

from pipeline import methods
from pipeline.clip import Clip, TowerSpec, load_clip
from pipeline.clip.architecture import build_model, read_config
from pipeline.clip.spec import Precision
from pipeline.methods.auxiliary import AuxiliarySet
from pipeline.methods.base import Method
from pipeline.params import Params, parse_params
from pipeline.plan import ResolvedSystem

ROOT = Path(__file__).parents[1]
_CONF = ROOT / "pipeline" / "conf"


def paper_values() -> dict[str, Any]:
    """The paper profile with its ablations and the retuned methods, as `dvc exp run` would compose it."""
    parts = ("config", "profile/paper", "variants/ablations", "retuned/medical")
    config, profile, variants, retuned = (
        yaml.safe_load((_CONF / f"{part}.yaml").read_text(encoding="utf-8")) for part in parts
    )
    del config["defaults"]
    return {**config, **profile, "variants": variants, "retuned": retuned}


def extended_methods() -> dict[str, dict[str, Any]]:
    """The methods published since, with their settings of the paper profile."""
    text = (_CONF / "by_profile" / "extended_paper.yaml").read_text(encoding="utf-8")
    found: dict[str, dict[str, Any]] = yaml.safe_load(text)["methods"]
    return found


def paper_params(changes: Mapping[str, Any] | None = None) -> Params:
    """`paper_values` checked, with some keys replaced."""
    return parse_params({**paper_values(), **(changes or {})}, "pipeline/conf")


def random_state(model: str) -> dict[str, Tensor]:
    """The same random weights at every call."""
    torch.manual_seed(0)
    state: dict[str, Tensor] = build_model(read_config(model), "quickgelu").state_dict()
    return state


def random_clip(
    model: str = "ViT-L-14-336", size: int = 518, device: str = "cpu", precision: Precision = "float32"
) -> Clip:
    """AnomalyCLIP's tower, or a smaller one by the same rules, with random weights."""
    spec = TowerSpec("main", model, "random", size, "bilinear", "quickgelu", precision)
    return load_clip(spec, device=device, state_dict=random_state(model))


def blank_set(count: int, size: int) -> AuxiliarySet:
    """Black images without a defect."""
    masks = np.zeros((count, size, size), np.uint8)
    return AuxiliarySet("visa", np.stack([masks] * 3, -1), masks, np.zeros(count, int), ["bottle"] * count)


def random_images(count: int, size: int) -> Tensor:
    """Noise: uint8 (count, size, size, 3)."""
    return torch.randint(0, 256, (count, size, size, 3), dtype=torch.uint8)


def build(item: ResolvedSystem, clip: Clip) -> Method:
    """The method of a system, as it is before training."""
    return methods.build(item.system.method, item.settings, clip)
