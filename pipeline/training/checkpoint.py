"""What a method learnt, as one safetensors file with its provenance; same content, same bytes.

The header carries a digest over itself and the tensors, so that a damaged file is refused, not used.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, JsonValue
from safetensors.torch import save
from torch import Tensor

from pipeline.cells import training_stage
from pipeline.clip.tensors import read_safetensors, require_weights
from pipeline.errors import WeightsError
from pipeline.files import value_digest, write_bytes
from pipeline.methods.base import LearntMethod

_FORMAT = 2
_KEY = "zsad"  # one key only: safetensors writes several in no fixed order


class _Header(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    format: int
    method: str
    settings: dict[str, JsonValue]
    provenance: dict[str, JsonValue]
    digest: str


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
        digest.update(value.detach().cpu().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def read_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors of a checkpoint and its header (`method`, `settings`, `provenance`).

    Raises:
        WeightsError: the file is missing, damaged or no checkpoint of this project.
        OSError: the machine cannot read it now.
    """
    try:
        tensors, texts = read_safetensors(path)
    except FileNotFoundError as error:
        raise WeightsError(f"{path} does not exist: run the train stage") from error
    if texts.keys() != {_KEY}:
        raise WeightsError(f"{path} is no checkpoint of zsad: convert it with `zsad import-checkpoint`")
    header = _header(path, texts[_KEY], tensors)
    require_weights(tensors, path)
    return tensors, header


def _header(path: Path, text: str, tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """The header in `text`, once its digest is that of the file's content."""
    again = "delete it and run the train stage"
    try:
        header = json.loads(text)
        if (version := header.get("format")) != _FORMAT:
            raise WeightsError(
                f"{path} has format {version!r:.20}, this version of zsad reads {_FORMAT}: {again}"
            )
        header = _Header.model_validate(header).model_dump()
        digest = header.pop("digest")
        whole = digest == _digest(header, tensors)
    except (ValueError, AttributeError, RecursionError) as error:
        raise WeightsError(f"{path} has a header that is none of zsad: {again}") from error
    if not whole:
        raise WeightsError(f"{path} is damaged (content and digest disagree): {again}")
    return header


def load_checkpoint(path: Path, method: LearntMethod) -> dict[str, Any]:
    """Give `method` the parameters of a checkpoint; scores are then those right after training.

    Returns:
        The provenance that was saved.

    Raises:
        WeightsError: no such file, or it was learnt by another method, under other settings or other shapes;
            the message names it.
    """
    tensors, header = read_checkpoint(path)
    if header["method"] != method.name:
        raise WeightsError(f"{path} was learnt by {header['method']}, not by {method.name}")
    provenance: dict[str, Any] = header["provenance"]
    for key, learnt, wanted in _moved(header["settings"], method):
        raise WeightsError(
            f"{path} was learnt by {method.name} with {key} {learnt}, not {wanted}: set it to that, or "
            f"train anew: `dvc repro {training_stage(str(provenance.get('auxiliary') or '<auxiliary set>'))}`"
        )
    try:
        method.load_state(tensors)
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error
    return provenance


def _moved(learnt: Mapping[str, Any], method: LearntMethod) -> Iterator[tuple[str, Any, Any]]:
    """Settings that decide training and differ: key, value in the checkpoint, value of `method`."""
    sides = [
        _by_key({name: value for name, value in side.items() if name not in method.settings.scoring_only})
        for side in (learnt, method.settings.model_dump(mode="json"))
    ]
    for key in sorted(sides[0].keys() | sides[1].keys()):
        before, now = (side.get(key, "missing") for side in sides)
        if before != now:
            yield key, before, now


def _by_key(values: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Nested values under dotted keys, such as `training.epochs`."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _by_key(value, f"{above}{key}.") if isinstance(value, dict) else {f"{above}{key}": value}
    return flat
