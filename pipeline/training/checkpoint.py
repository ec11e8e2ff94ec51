"""What a method learnt, as one safetensors file with its provenance; same content, same bytes.

The header carries a digest over itself and the tensors, so that a damaged file is refused, not used.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from pipeline.errors import WeightsError
from pipeline.files import value_digest, write_bytes
from pipeline.methods.base import LearntMethod

_FORMAT = 2
_KEY = "zsad"  # one key only: safetensors writes several in no fixed order


def save_checkpoint(path: Path, method: LearntMethod, provenance: Mapping[str, Any]) -> None:
    """Write the learnt parameters of `method` atomically.

    Args:
        path: Of the file.
        method: Tuned.
        provenance: JSON-able facts: auxiliary set, seed, digests. No times: they would change the bytes.
    """
    header = {
        "format": _FORMAT,
        "method": method.name,
        "settings": method.settings.model_dump(mode="json"),
        "provenance": dict(provenance),
    }
    tensors = {name: value.contiguous() for name, value in method.state().items()}
    signed = {**header, "digest": _digest(header, tensors)}
    text = json.dumps(signed, sort_keys=True, ensure_ascii=False, allow_nan=False)
    write_bytes(path, save(tensors, metadata={_KEY: text}))


def _digest(header: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256(value_digest(header).encode())
    for name, value in sorted(tensors.items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.detach().cpu().numpy().tobytes())
    return digest.hexdigest()


def read_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors of a checkpoint and its header (`method`, `settings`, `provenance`).

    Raises:
        WeightsError: the file is missing, damaged or no checkpoint of this project.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no iterator
    except FileNotFoundError as error:
        raise WeightsError(f"{path} does not exist: run the train stage") from error
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{path} is damaged ({error}): delete it and run the train stage") from error
    if _KEY not in metadata:
        raise WeightsError(f"{path} is no checkpoint of zsad: convert it with `zsad import-checkpoint`")
    try:
        header: dict[str, Any] = json.loads(metadata[_KEY])
        digest = header.pop("digest", None)
    except (ValueError, AttributeError):
        digest, header = None, {}
    if digest != _digest(header, tensors):
        raise WeightsError(
            f"{path} is damaged or older than its format (content and digest disagree): "
            "delete it and run the train stage"
        )
    return tensors, header


def load_checkpoint(path: Path, method: LearntMethod) -> dict[str, Any]:
    """Give `method` the parameters of a checkpoint; scores are then those right after training.

    Returns:
        The provenance that was saved.

    Raises:
        WeightsError: no such file, or it was learnt by another method or under other shapes; the message
            names it.
    """
    tensors, header = read_checkpoint(path)
    if header["method"] != method.name:
        raise WeightsError(f"{path} was learnt by {header['method']}, not by {method.name}")
    try:
        method.load_state(tensors)
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error
    provenance: dict[str, Any] = header["provenance"]
    return provenance
