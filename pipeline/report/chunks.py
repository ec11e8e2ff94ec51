"""What the page unpacks: the light index of every cell's metrics, and one heavy chunk for each subset.

The index stands in the page as JSON, so that any list is made at once. A chunk says in detail what the cells
of a subset measured, and holds its pictures: a JSON header and the bytes that it points into, compressed
together and written as text. The page unpacks a chunk when it is opened, so thousands of cells cost nothing
until somebody looks.

    4 bytes: length of the header, little-endian | header, UTF-8 JSON | bytes
"""

import base64
import json
import zlib
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from pipeline.cells import System
from pipeline.report.pictures import Pictures, palette
from pipeline.report.sources import ImageScores, Shown, Sources
from pipeline.results import METRICS, CellRow
from pipeline.tables.expected import Expected
from pipeline.tables.legend import METRIC_TITLES

_BINS: Final = 24
_DIGITS: Final = 11  # what is left prints as the tables do, which round 100 * value to 9 digits first
_FACTS: Final = {
    "auxiliary": "tuned on",
    "image_size": "image side (pixels)",
    "n_regions": "anomalous regions",
    "pro_points": "thresholds of PRO (200 steps)",
    "pro_fpr_max": "largest false positive rate of PRO (200 steps)",
}
_DIGESTS: Final = {
    "build": "build of the subset",
    "weights": "weights",
    "params": "settings",
    "code": "code",
    "cell_key": "key in the cell store",
}


def page_index(sources: Sources) -> dict[str, Any]:
    """JSON-able; systems, data sets and subsets are known by their place in the lists."""
    outcome = sources.outcome
    return {
        "metrics": [{"name": metric, "title": METRIC_TITLES[metric]} for metric in METRICS],
        "datasets": [
            {
                "name": name,
                "title": record.title,
                "domain": record.division,
                "metrics": [METRICS.index(metric) for metric in record.metrics],
                "subsets": list(record.subsets),
                "masks": "pixel" in record.tasks,
            }
            for name, record in outcome.expected.items()
        ],
        "systems": [{"name": system.name, "title": outcome.named(system)} for system in outcome.means],
        "cells": [_cell(row, list(outcome.means), outcome.expected) for row in sources.rows],
        "palette": palette().tobytes().hex(),
    }


def cell_id(row: CellRow) -> str:
    """Names a cell within its subset, such as `clip` or `anomalyclip[no_dpam]@111`."""
    name = row.key.system.name
    return name if row.seed is None else f"{name}@{row.seed}"


def pack(header: Any, blob: bytes = b"") -> str:
    """A chunk as text."""
    text = json.dumps(header, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    content = len(text).to_bytes(4, "little") + text + blob
    return base64.b64encode(zlib.compress(content, level=9)).decode()


def subset_chunk(sources: Sources, dataset: str, subset: str) -> str:
    """The chunk of one subset."""
    blob = _Blob()
    pictures = Pictures(sources.shards / dataset, subset)
    images: dict[str, int] = {}
    cells = {}
    for row in sources.by_subset.get((dataset, subset), []):
        cells[cell_id(row)] = {
            "facts": _known(row, _FACTS),
            "digests": _known(row, _DIGESTS),
            "intervals": _intervals(row),
            "histogram": _histogram(sources.scores.get(row.key)),
            "examples": _examples(sources.examples.get(row.key, ()), images, blob),
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


def _cell(row: CellRow, systems: list[System], expected: Expected) -> dict[str, Any]:
    cell = {
        "id": cell_id(row),
        "dataset": list(expected).index(row.dataset),
        "subset": expected[row.dataset].subsets.index(row.subset),
        "system": systems.index(row.key.system),
        "seed": row.seed,
    }
    if row.status == "failed":
        return cell | {"error": row.error}
    values = [getattr(row, metric) for metric in METRICS]
    return cell | {
        "images": [row.n_normal, row.n_anomalous],
        "values": [None if value is None else round(value, _DIGITS) for value in values],
    }


def _known(row: CellRow, titles: dict[str, str]) -> dict[str, Any]:
    return {title: value for name, title in titles.items() if (value := getattr(row, name)) is not None}


def _intervals(row: CellRow) -> dict[str, list[float]]:
    """The 95 % interval of each metric that has one."""
    spreads = {metric: row.spread(metric) for metric in METRICS}
    return {metric: [round(it.low, 6), round(it.high, 6)] for metric, it in spreads.items() if it}


def _histogram(found: ImageScores | None) -> dict[str, Any] | None:
    """Counts of normal and anomalous image scores between the lowest and the highest score."""
    if found is None:
        return None
    labels, scores = found
    low, high = float(scores.min()), float(scores.max())
    span = (low, high) if high > low else (low - 0.5, low + 0.5)
    counts = [np.histogram(scores[labels == label], _BINS, span)[0] for label in (0, 1)]
    normal, anomalous = (count.tolist() for count in counts)
    return {"low": span[0], "high": span[1], "normal": normal, "anomalous": anomalous}


def _examples(examples: Sequence[Shown], images: dict[str, int], blob: _Blob) -> list[dict[str, Any]]:
    """Examples as the page takes them; `images` grows by those that are new."""
    return [
        {
            "image": images.setdefault(example.image, len(images)),
            "label": example.label,
            "score": example.score,
            "role": example.role,
            "reference": example.reference,
            "low": example.low,
            "high": example.high,
            "heatmap": blob.add(example.heatmap),
        }
        for example in examples
    ]
