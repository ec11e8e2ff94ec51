"""The heavy part of the page, one chunk a subset: what its cells say in detail, and its pictures.

A chunk is a JSON header and the bytes that it points into, compressed together and written as text. The page
unpacks a chunk when it is opened, so thousands of cells cost nothing until somebody looks.

    4 bytes: length of the header, little-endian | header, UTF-8 JSON | bytes
"""

import base64
import json
import zlib
from typing import Any, Final

import numpy as np
import pandas as pd

from pipeline.report.pictures import Pictures
from pipeline.report.sources import Sources, of_cell
from pipeline.results import CellRow

_BINS: Final = 24
_PROVENANCE: Final = ("auxiliary", "image_size", "n_regions", "pro_points", "pro_fpr_max")
_DIGESTS: Final = ("build", "weights", "params", "code", "cell_key")


def cell_id(row: CellRow) -> str:
    """Names a cell within its subset, such as `clip` or `anomalyclip[no_dpam]@111`."""
    entry = f"{row.method}[{row.variant}]" if row.variant else row.method
    return entry if row.seed is None else f"{entry}@{row.seed}"


def pack(header: Any, blob: bytes = b"") -> str:
    """A chunk as text."""
    text = json.dumps(header, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    content = len(text).to_bytes(4, "little") + text + blob
    return base64.b64encode(zlib.compress(content, level=9)).decode()


class _Blob:
    """Bytes one after the other; each piece is known by its start and length."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._length = 0

    def add(self, piece: bytes | None) -> list[int] | None:
        if piece is None:
            return None
        self._pieces.append(piece)
        self._length += len(piece)
        return [self._length - len(piece), len(piece)]

    def content(self) -> bytes:
        return b"".join(self._pieces)


def subset_chunk(sources: Sources, dataset: str, subset: str) -> str:
    """The chunk of one subset."""
    blob = _Blob()
    pictures = Pictures(sources.shards / dataset, subset)
    images: dict[str, int] = {}
    cells = {}
    for row in sources.by_subset.get((dataset, subset), []):
        examples = of_cell(sources.examples.get((dataset, subset)), row)
        cells[cell_id(row)] = {
            "facts": {name: value for name in _PROVENANCE if (value := getattr(row, name)) is not None},
            "digests": {name: value for name in _DIGESTS if (value := getattr(row, name)) is not None},
            "histogram": _histogram(of_cell(sources.scores.get((dataset, subset)), row)),
            "examples": [] if examples is None else _examples(examples, images, blob),
        }
    shown = [
        {
            "name": name,
            "photo": blob.add(pictures.photo_file(name)),
            "mask": blob.add(pictures.mask_file(name)),
        }
        for name in images
    ]
    return pack({"cells": cells, "images": shown}, blob.content())


def _histogram(scores: pd.DataFrame | None) -> dict[str, Any] | None:
    """Counts of normal and anomalous image scores between the lowest and the highest score."""
    if scores is None:
        return None
    values, labels = scores["score"].to_numpy(float), scores["label"].to_numpy(int)
    low, high = float(values.min()), float(values.max())
    span = (low, high) if high > low else (low - 0.5, low + 0.5)
    counts = [np.histogram(values[labels == label], _BINS, span)[0].tolist() for label in (0, 1)]
    return {"low": span[0], "high": span[1], "normal": counts[0], "anomalous": counts[1]}


def _examples(examples: pd.DataFrame, images: dict[str, int], blob: _Blob) -> list[dict[str, Any]]:
    """Examples from the highest score to the lowest; `images` grows by those that are new."""
    lines = examples.sort_values("score", ascending=False, kind="stable").to_dict("records")
    return [
        {
            "image": images.setdefault(line["image"], len(images)),
            "label": int(line["label"]),
            "score": line["score"],
            "role": None if pd.isna(line["role"]) else line["role"],
            "reference": bool(line["reference"]),
            "low": line["low"],
            "high": line["high"],
            "heatmap": blob.add(line["heatmap"]),
        }
        for line in lines
    ]
