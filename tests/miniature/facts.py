"""What a weights file of the tiny CLIP says about its training."""

import json
from pathlib import Path
from typing import Any

from safetensors import safe_open


def read_facts(path: Path) -> dict[str, Any]:
    """What `save_weights` was told."""
    with safe_open(path, framework="pt") as file:
        facts: dict[str, Any] = json.loads(file.metadata()["pretraining"])
    return facts
