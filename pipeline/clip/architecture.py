"""From a model's name or config file to an open_clip module without weights.

Plain CLIP with a ViT only: a config with any other key is refused, because the passes of this package are
written out for the plain blocks and would give other numbers than the config asks for.
"""

import json
from pathlib import Path
from typing import Any

import torch

from pipeline.clip.spec import Activation
from pipeline.clip.torchvision_ops import import_open_clip
from pipeline.errors import ParamsError

_VISION_KEYS = frozenset({"image_size", "layers", "width", "head_width", "patch_size", "mlp_ratio"})
_TEXT_KEYS = frozenset({"context_length", "vocab_size", "width", "heads", "layers", "mlp_ratio"})


def read_config(model: str) -> dict[str, Any]:
    """The open_clip config of a model.

    Args:
        model: A name that open_clip knows, or the path of a JSON file.

    Raises:
        ParamsError: the name is unknown, the file is missing or no config, or the config is not a plain ViT
            CLIP.
    """
    if model.endswith(".json"):
        config = _read_file(Path(model))
    else:
        known = import_open_clip().get_model_config(model)
        if known is None:
            raise ParamsError(f"model {model!r} is neither known to open_clip nor a .json file")
        config = dict(known)
    if not isinstance(config.get("embed_dim"), int):
        raise ParamsError(f"model {model}: embed_dim is missing; give a config in open_clip's format")
    for part, allowed in (("vision_cfg", _VISION_KEYS), ("text_cfg", _TEXT_KEYS)):
        if not isinstance(config.get(part), dict):
            raise ParamsError(f"model {model}: {part} is missing; give a config in open_clip's format")
        if strange := sorted(set(config[part]) - allowed):
            raise ParamsError(
                f"model {model}: {part}.{strange[0]} is not plain CLIP; only plain ViT models can be used"
            )
    return config


def _read_file(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ParamsError(f"model {path} does not exist: give the path of an open_clip config") from error
    except ValueError as error:
        raise ParamsError(f"model {path} is not JSON: {error}") from error
    if not isinstance(config, dict):
        raise ParamsError(f"model {path} is no open_clip config: it holds no mapping")
    model: dict[str, Any] = config.get("model_cfg", config)  # published models wrap it
    return model


def build_model(config: dict[str, Any], activation: Activation, *, device: str = "cpu") -> Any:
    """An open_clip `CLIP` module with fresh weights; on device `meta` without any.

    Fresh weights come from torch's global generator.
    """
    clip_type = import_open_clip().CLIP
    with torch.device(device):
        return clip_type(
            embed_dim=config["embed_dim"],
            vision_cfg=config["vision_cfg"],
            text_cfg=config["text_cfg"],
            quick_gelu=activation == "quickgelu",
        )
