"""Weights files of towers in, one plain state dict out.

Reads safetensors, plain state dicts, open_clip's training checkpoints, and the TorchScript archives in which
OpenAI published CLIP. Nothing that a file holds is run; see `pipeline.clip.tensors`.
"""

from pathlib import Path
from typing import Any

from torch import Tensor

from pipeline.clip.architecture import import_open_clip
from pipeline.clip.tensors import read_pickled, read_safetensors, require_weights
from pipeline.errors import WeightsError

_SAFETENSORS = ".safetensors"
_SUFFIXES = (_SAFETENSORS, ".pt", ".pth", ".bin")
_OF_PARALLEL = "module."  # before every name, where several GPUs trained
# Numbers that OpenAI's archives carry along.
_NOT_WEIGHTS = frozenset({"input_resolution", "context_length", "vocab_size"})


def read_state_dict(model: str, weights: str) -> dict[str, Tensor]:
    """The tensors of a weights file or tag on the CPU, in the precision they are stored in.

    Args:
        model: Name of the open_clip model that a tag belongs to.
        weights: A path, or a tag that open_clip knows for `model`, whose file is downloaded once.

    Returns:
        Floating, finite numbers.

    Raises:
        WeightsError: the file is missing, damaged or of another kind; the message names it.
        OSError: the machine cannot read it now.
    """
    path = Path(weights) if weights.endswith(_SUFFIXES) else _download(model, weights)
    try:
        tensors = read_safetensors(path)[0] if path.suffix == _SAFETENSORS else read_pickled(path, _inner)
    except FileNotFoundError as error:
        raise WeightsError(
            f"{path} does not exist: put the weights there or change `weights` of the tower"
        ) from error
    state = {name.removeprefix(_OF_PARALLEL): value for name, value in tensors.items()}
    if len(state) != len(tensors):
        raise WeightsError(f"{path} has a name with and without {_OF_PARALLEL!r}: give another file")
    state = {name: value for name, value in state.items() if name not in _NOT_WEIGHTS}
    require_weights(state, path)
    return state


def _inner(content: Any) -> Any:
    """The state dict of a training checkpoint; anything else as it is."""
    wrapped = content.get("state_dict") if isinstance(content, dict) else None
    return wrapped if isinstance(wrapped, dict) else content


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
