"""One reader for every file of tensors that may come from outside: nothing in it is run, all has a bound.

Reads safetensors, what `torch.save` writes (zip archives, and the format before them), and the TorchScript
archives in which OpenAI published CLIP. Of a tower's weights (`read_state_dict`) training checkpoints and
open_clip's tags are read too. Only regular files are opened; sizes are looked at before anything is read, and
no more is read than the file has bytes. A fault of the machine (an `OSError`) is passed on as it is: it says
nothing about the file.
"""

import json
import os
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import isfinite
from pathlib import Path
from typing import IO, Any
from zipfile import BadZipFile

import torch
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from pipeline.clip.pickles import RefusedError
from pipeline.clip.torch_files import LONGEST_NAME, Choose, from_archive, from_legacy
from pipeline.clip.weights import fetched_weights, is_tag
from pipeline.errors import WeightsError
from pipeline.files import NotAFileError, open_regular

# What readers of damaged bytes raise; never an OSError or a MemoryError, which are the machine's:
# no file is read that asks for more than it holds.
DAMAGED = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    BadZipFile,
    EOFError,
    LookupError,
    RuntimeError,
    SafetensorError,
    TypeError,
    ValueError,
    struct.error,
)
_SAFETENSORS = ".safetensors"
_NO_MEMORY = "can't allocate memory"  # as torch's allocator says it
_OF_PARALLEL = "module."  # before every name, where several GPUs trained
# Numbers that OpenAI's archives carry along.
_NOT_WEIGHTS = frozenset({"input_resolution", "context_length", "vocab_size"})
_SPEAK_OF_CODE = (AttributeError, LookupError, TypeError)
FLOATING = frozenset({torch.float16, torch.bfloat16, torch.float32, torch.float64})

_ZIP, _PICKLE = b"PK", b"\x80"
_LONGEST_HEADER = 8 << 20  # of safetensors; ViT-L/14 has 0.05 of it
_COUNT = struct.Struct("<Q")


class _Header(BaseModel):
    """One tensor in the header of a safetensors file."""

    model_config = ConfigDict(extra="forbid", strict=True)

    dtype: str
    shape: list[int] = Field(max_length=8)
    data_offsets: list[int] = Field(min_length=2, max_length=2)


_Headers = TypeAdapter(dict[str, _Header])
_Texts = TypeAdapter(dict[str, str])


def read_pickled(path: Path, choose: Choose) -> dict[str, Tensor]:
    """The tensors of a file of `torch.save` or of TorchScript.

    Args:
        path: Of the file.
        choose: Gets what the file says, its tensors not read yet (`Stored`), and picks the state dict in it.
            The modules of a TorchScript archive come as the state dict of the outermost.

    Raises:
        WeightsError: no such file, no regular file, damaged, or more than tensors; the message names it.
        OSError: the machine cannot read it now.
    """
    with _opened(path) as file, _explained(path):
        start, size = file.read(2), _size(file)
        if start == _ZIP:
            return from_archive(file, size, choose)
        if start[:1] == _PICKLE:
            return from_legacy(file, size, choose)
        raise ValueError("it is neither an archive nor a pickle of torch")


def read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a safetensors file, and the texts in its header.

    Raises:
        WeightsError: no regular file, or damaged; the message names it.
        OSError: the machine cannot read it now, or it is not there.
    """
    with _opened(path) as file, _explained(path):
        texts = _checked_header(file, _size(file))
        return load_file(path), texts  # mapped into memory, so that workers share its pages


def require_weights(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Refuse what cannot have been learnt: other than floating numbers, NaN, infinity, nothing but zeros.

    Raises:
        WeightsError: the message names the file and the tensor.
    """
    alive = not any(tensor.numel() for tensor in tensors.values())
    for name, tensor in sorted(tensors.items()):
        if tensor.dtype not in FLOATING:
            kind = str(tensor.dtype).removeprefix("torch.")
            raise WeightsError(f"{path}: {name} is {kind}, weights are floating numbers: give another file")
        if not tensor.numel():
            continue
        low, high = (float(end) for end in tensor.aminmax())
        if not (isfinite(low) and isfinite(high)):
            raise WeightsError(f"{path}: {name} holds values that are not finite: give another file")
        alive = alive or low != 0 or high != 0
    if not alive:
        raise WeightsError(f"{path}: all its numbers are zero, so nothing was learnt: give another file")


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    try:
        file = open_regular(path)
    except NotAFileError as error:
        raise WeightsError(f"{path} is no regular file: give the path of a weights file") from error
    with file:
        if not _size(file):
            raise WeightsError(f"{path} is empty: fetch it again")
        yield file


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Say of what is wrong in a file which file it is, in one line."""
    try:
        yield
    except RefusedError as error:
        raise WeightsError(f"{path} {error}") from error
    except DAMAGED as error:
        if _NO_MEMORY in str(error):
            raise MemoryError(str(error)) from error
        told = not isinstance(error, _SPEAK_OF_CODE) and str(error)
        reason = ascii(told.splitlines()[0][:LONGEST_NAME])[1:-1] if told else "its parts do not fit together"
        raise WeightsError(f"{path} is damaged or no weights file ({reason}): fetch it again") from error


def _size(file: IO[bytes]) -> int:
    return os.fstat(file.fileno()).st_size


def _checked_header(file: IO[bytes], size: int) -> dict[str, str]:
    (length,) = _COUNT.unpack(file.read(_COUNT.size))
    if length > min(_LONGEST_HEADER, size):
        raise ValueError(f"a header of {length} bytes")
    header = json.loads(file.read(length), object_pairs_hook=_without_doubles)
    texts = header.pop("__metadata__", {})
    try:
        _Headers.validate_python(header)
        return _Texts.validate_python(texts)
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"its header at {'.'.join(map(str, first['loc']))}: {first['msg']}") from error


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise RefusedError(f"has {key[:LONGEST_NAME]!r} twice: fetch it again")
        found[key] = value
    return found


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
    path = fetched_weights(model, weights) if is_tag(weights) else Path(weights)
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
