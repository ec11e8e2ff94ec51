"""What `zsad score` leaves on disk: `scores.parquet`, and on request one map and one overlay an image.

Every file appears whole or not at all. Maps and overlays keep the folder structure and the whole file name of
their image, so that `a.png` and `a.jpg` do not meet.
"""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from pipeline.execution.folder_images import Picture
from pipeline.files import atomic_path, write_bytes
from pipeline.results.parquet import to_bytes
from pipeline.shards.preprocess import Bytes

SCORES = "scores.parquet"
SCHEMA = pa.schema(
    [pa.field("image", pa.string(), nullable=False), pa.field("score", pa.float64(), nullable=False)]
)
DETECTOR_KEY = "zsad.detector"  # in the footer

Map = NDArray[np.float32]

_COLOURS = "turbo"
_OPACITY = 0.5


def write_scores(out: Path, names: Sequence[str], scores: Sequence[float], facts: Mapping[str, Any]) -> Path:
    """Write one row an image.

    Args:
        out: Folder of the results.
        names: Relative path of each image.
        scores: Higher is more anomalous; finite.
        facts: What they depend on; goes into the footer as JSON.
    """
    table = pa.Table.from_arrays(
        [pa.array(names, pa.string()), pa.array(scores, pa.float64())], schema=SCHEMA
    )
    text = json.dumps(facts, sort_keys=True, ensure_ascii=False, allow_nan=False)
    write_bytes(out / SCORES, to_bytes(table, {DETECTOR_KEY: text}))
    return out / SCORES


def write_map(out: Path, name: str, values: Map) -> None:
    """Write the anomaly map of an image, (S, S), as array `map` of `maps/<name>.npz`."""
    with atomic_path(out / "maps" / f"{name}.npz") as temporary, temporary.open("wb") as handle:
        np.savez_compressed(handle, map=values)


def write_overlay(out: Path, picture: Picture, values: Map) -> None:
    """Write `overlays/<name>.png`: the map in colours over the image.

    Colours run from the lowest to the highest value of this one map, so they say where, not how much. The
    picture has the proportions of the published one, its longer side S.
    """
    blended = (1 - _OPACITY) * picture.pixels + _OPACITY * _coloured(values)
    width, height = picture.shape
    scale = len(values) / max(width, height)
    proportions = (max(1, round(width * scale)), max(1, round(height * scale)))
    overlay = Image.fromarray(blended.round().astype(np.uint8)).resize(proportions)
    with atomic_path(out / "overlays" / f"{picture.name}.png") as temporary:
        overlay.save(temporary, format="PNG")


def _coloured(values: Map) -> Bytes:
    low, high = float(values.min()), float(values.max())
    share = (values - low) / (high - low) if high > low else np.zeros_like(values)
    coloured: Bytes = _palette()[(share * 255).round().astype(np.uint8)]
    return coloured


@cache
def _palette() -> Bytes:
    """256 colours, (256, 3)."""
    from matplotlib import colormaps

    palette: Bytes = colormaps[_COLOURS](np.arange(256), bytes=True)[:, :3]
    return palette
