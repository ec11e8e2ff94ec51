"""A small tower and some pictures on disk, as a user of `zsad score` has them."""

import json
from pathlib import Path

import numpy as np
from PIL import Image
from safetensors.torch import save_file

from pipeline.detection.detector import GivenTower
from tests.clip.towers import SMALL, random_images, random_state

SIZE = 40
ANOMALYCLIP = {"layers": [6], "dpam_start": 3, "deep_layers": 4}  # what the small tower has room for


def write_tower(folder: Path) -> GivenTower:
    """Config and weights of a random CLIP."""
    (folder / "config.json").write_text(json.dumps(SMALL.config()))
    save_file(random_state(SMALL), folder / "model.safetensors")
    return GivenTower(str(folder / "config.json"), str(folder / "model.safetensors"), SIZE)


def write_pictures(folder: Path, names: tuple[str, ...], sides: tuple[int, int] = (61, 47)) -> Path:
    """One picture a name, width x height `sides`."""
    width, height = sides
    for number, name in enumerate(names):
        pixels = random_images(1, max(sides), seed=number)[0, :height, :width].numpy()
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.ascontiguousarray(pixels)).save(folder / name)
    return folder
