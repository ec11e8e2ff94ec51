"""Weights files in, one plain state dict out.

Reads safetensors, plain state dicts, open_clip's training checkpoints, and the TorchScript archives in which
OpenAI published CLIP. Nothing is unpickled beyond tensors.
"""

from pathlib import Path
from pickle import UnpicklingError
from typing import Any, cast
from zipfile import ZipFile, is_zipfile

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from pipeline.clip.architecture import import_open_clip
from pipeline.errors import WeightsError

_SUFFIXES = (".safetensors", ".pt", ".pth", ".bin")
_NOT_WEIGHTS = (
    "input_resolution",
    "context_length",
    "vocab_size",
)  # numbers that OpenAI's archives carry along


def read_state_dict(model: str, weights: str) -> dict[str, Tensor]:
    """The tensors of a weights file or tag on the CPU, in the precision they are stored in.

    Args:
        model: Name of the open_clip model that a tag belongs to.
        weights: A path, or a tag that open_clip knows for `model`, whose file is downloaded once.

    Raises:
        WeightsError: the file is missing, damaged or of another kind; the message names it.
    """
    path = Path(weights) if weights.endswith(_SUFFIXES) else _download(model, weights)
    if not path.is_file():
        raise WeightsError(f"{path} does not exist: put the weights there or change `weights` of the tower")
    try:
        content = _read(path)
    except UnpicklingError as error:
        raise WeightsError(
            f"{path} is damaged or holds more than tensors: convert it to safetensors"
        ) from error
    except (OSError, RuntimeError, ValueError, EOFError, SafetensorError) as error:
        raise WeightsError(f"{path} cannot be read as CLIP weights: {str(error).splitlines()[0]}") from error
    return _plain(content, path)


def _download(model: str, tag: str) -> Path:
    pretrained = import_open_clip().pretrained
    config = pretrained.get_pretrained_cfg(model, tag)
    if not config:
        raise WeightsError(
            f"weights {tag!r}: neither a weights file nor a tag that open_clip knows for {model}"
        )
    try:
        return Path(pretrained.download_pretrained(config))
    except Exception as error:  # every network stack below raises its own classes
        raise WeightsError(
            f"weights {tag!r} of {model} cannot be downloaded ({error}): give a local file"
        ) from error


def _is_torchscript(path: Path) -> bool:
    if not is_zipfile(path):
        return False
    with ZipFile(path) as archive:
        return any("/code/" in name for name in archive.namelist())


def _read(path: Path) -> object:
    if path.suffix == ".safetensors":
        return load_file(path)
    if _is_torchscript(path):
        archive = torch.jit.load(str(path), map_location="cpu")  # type: ignore[no-untyped-call]
        return dict(archive.state_dict())
    return torch.load(path, map_location="cpu", weights_only=True)


def _plain(content: Any, path: Path) -> dict[str, Tensor]:
    """Unwrap a training checkpoint, drop what is no weight."""
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        raise WeightsError(f"{path} holds no state dict: expected names mapped to tensors")
    tensors = cast("dict[str, Tensor]", content)
    return {
        name.removeprefix("module."): tensor for name, tensor in tensors.items() if name not in _NOT_WEIGHTS
    }
