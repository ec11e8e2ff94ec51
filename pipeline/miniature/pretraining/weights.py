"""The weights file: half precision, self-describing, the same bytes for the same training."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save

from pipeline.files import write_bytes

_KEY = "pretraining"  # one key only: safetensors writes several in no fixed order


def save_weights(path: Path, model: Any, facts: Mapping[str, Any]) -> None:
    """Write an open_clip model's state dict as float16 under open_clip's own names.

    Args:
        path: Of the safetensors file.
        model: A trained open_clip `CLIP`.
        facts: JSON-able: seed, command, schedule, digests. No times: they would change the bytes.
    """
    tensors = {
        name: tensor.detach().to(torch.float16).contiguous() for name, tensor in model.state_dict().items()
    }
    text = json.dumps(dict(facts), sort_keys=True, allow_nan=False)
    write_bytes(path, save(tensors, metadata={_KEY: text}))


def read_facts(path: Path) -> dict[str, Any]:
    """What `save_weights` was told about the training."""
    with safe_open(path, framework="pt") as file:
        facts: dict[str, Any] = json.loads(file.metadata()[_KEY])
    return facts
