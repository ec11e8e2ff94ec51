"""What is taken from open_clip: a module without weights from a model's name or config, and its blocks.

Plain CLIP with a ViT only: a config with any other key is refused, because the passes of this package are
written out for the plain blocks and would give other numbers than the config asks for. open_clip imports
torchvision, whose compiled operators may not load beside a CPU build of torch; then their schemas are
declared, which is enough, since nothing here calls them. Torch's compiler and timm stay out: they are for
other models, and take longer to import than all the rest.

Residual attention blocks are run step by step so that a pass can branch inside them. Their own modules do the
arithmetic; only the attention is written out, because its projections are shared by several streams. Matrix
products run in the precision of their weights; what they return is added to a residual stream in float32.
`upload` is how everything small gets to where they are.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from pipeline.clip.spec import Activation
from pipeline.errors import ParamsError
from pipeline.files import NotAFileError, open_regular

_SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_declared: list[torch.library.Library] = []  # a library's operators go when its object goes

_LONGEST_CONFIG = 1 << 20  # bytes
_MOST_LAYERS = 200
_VISION_KEYS = frozenset({"image_size", "layers", "width", "head_width", "patch_size", "mlp_ratio"})
_TEXT_KEYS = frozenset({"context_length", "vocab_size", "width", "heads", "layers", "mlp_ratio"})


def _load_compiled() -> bool:
    spec = find_spec("torchvision")
    folders = [Path(folder) for folder in (spec.submodule_search_locations or [])] if spec else []
    for library in (file for folder in folders for file in sorted(folder.glob("_C*.so"))):
        try:
            torch.ops.load_library(str(library))  # type: ignore[no-untyped-call]
        except OSError:
            continue
        return True
    return False


@contextmanager
def _plain_clip_only() -> Iterator[None]:
    """Inside, timm is as if not installed, and the compiler answers the one thing that it is asked: no.

    open_clip does without timm; torchvision's `roi_align` asks whether it could be compiled.
    """
    compiler, answers = ModuleType("torch._dynamo"), ModuleType("torch._dynamo.utils")
    answers.is_compile_supported = lambda _device: False  # type: ignore[attr-defined]
    stand_ins = {"timm": None, compiler.__name__: compiler, answers.__name__: answers}
    stand_ins = {name: module for name, module in stand_ins.items() if name not in sys.modules}
    sys.modules.update(stand_ins)  # type: ignore[arg-type] # None makes an import fail, as Python has it
    try:
        yield
    finally:
        for name in stand_ins:
            del sys.modules[name]


@cache
def import_open_clip() -> ModuleType:
    """The module open_clip, its operators declared first where they have to be."""
    if not _load_compiled():
        library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
        for name in ("nms", "qnms"):
            if not hasattr(torch.ops.torchvision, name):
                library.define(name + _SCHEMA)  # type: ignore[no-untyped-call]
        _declared.append(library)
    with _plain_clip_only():
        return import_module("open_clip")


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
        layers = config[part].get("layers", 1)
        if not (isinstance(layers, int) and 1 <= layers <= _MOST_LAYERS):
            raise ParamsError(f"model {model}: {part}.layers must be a number from 1 to {_MOST_LAYERS}")
    return config


def _read_file(path: Path) -> dict[str, Any]:
    try:
        with open_regular(path) as file:
            config = json.loads(file.read(_LONGEST_CONFIG))
    except (FileNotFoundError, NotAFileError) as error:
        raise ParamsError(f"model {path} is no file: give the path of an open_clip config") from error
    except (ValueError, RecursionError) as error:
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


def project(attention: Any, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values of `x` (B, L, W), each (B, heads, L, W / heads)."""
    batch, length, width = x.shape
    weight = attention.in_proj_weight
    packed = functional.linear(x.to(weight.dtype), weight, attention.in_proj_bias)
    split = packed.view(batch, length, 3, attention.num_heads, width // attention.num_heads)
    q, k, v = split.permute(2, 0, 3, 1, 4).unbind(0)
    return q, k, v


def mix(attention: Any, qkv: tuple[Tensor, Tensor, Tensor], *, causal: bool = False) -> Tensor:
    """softmax(q kᵀ / √d) v over all heads, then the output projection: (B, L, W)."""
    # The backward pass of CUDA's faster kernels adds in any order; a training has to repeat, bit for bit.
    learns = torch.is_grad_enabled() and qkv[0].requires_grad and qkv[0].is_cuda
    with sdpa_kernel(SDPBackend.MATH) if learns else nullcontext():
        mixed = functional.scaled_dot_product_attention(*qkv, is_causal=causal)
    output: Tensor = attention.out_proj(mixed.transpose(1, 2).flatten(2))
    return output


def feed_forward(block: Any, x: Tensor) -> Tensor:
    """The MLP on a normalised copy of `x` (B, L, W)."""
    output: Tensor = block.mlp(block.ln_2(x).to(block.mlp.c_fc.weight.dtype))
    return output


def residual_block(block: Any, x: Tensor, *, causal: bool = False) -> Tensor:
    """One ordinary block: attention and MLP, each on a normalised copy and added back."""
    x = x + mix(block.attn, project(block.attn, block.ln_1(x)), causal=causal)
    return x + feed_forward(block, x)


def upload(values: Tensor, device: torch.device) -> Tensor:
    """`values` of the CPU on `device`, without waiting for what runs there."""
    if device.type == "cpu":
        return values
    held = values.pin_memory() if device.type == "cuda" else values  # from which a GPU copies by itself
    return held.to(device, non_blocking=True)
