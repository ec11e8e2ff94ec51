"""Cells for the tests of results."""

from typing import Any, Final

import numpy as np

from pipeline.results import SIDE, CellResult, CellRow, CellScores, Example, encode_heatmap

BLANK: Final = encode_heatmap(np.zeros((SIDE, SIDE), np.uint8))
HEATMAP: Final = encode_heatmap(np.tile(4 * np.arange(SIDE), (SIDE, 1)).astype(np.uint8))
EXAMPLES: Final = (
    Example(0, "alarm", reference=False, low=-1.5, high=0.25, heatmap=BLANK),
    Example(2, None, reference=True, low=0.1, high=0.1, heatmap=HEATMAP),
)


def ok_row(**changes: Any) -> CellRow:
    values: dict[str, Any] = {
        "profile": "miniature",
        "dataset": "mvtec",
        "subset": "bottle",
        "method": "anomalyclip",
        "seed": 111,
        "auxiliary": "visa",
        "status": "ok",
        "image_size": 112,
        "n_images": 3,
        "n_normal": 1,
        "n_anomalous": 2,
        "n_regions": 2,
        "image_auroc": 0.1 + 0.2,
        "image_ap": 1.0,
        "pixel_pro": 0.0,
        "pro_points": 181,
        "pro_fpr_max": 0.2987,
        "build": "b" * 64,
        "weights": "w" * 64,
        "params": "p" * 64,
        "code": "c" * 64,
        "cell_key": "k" * 64,
    }
    return CellRow(**(values | changes))


def failed_row(**changes: Any) -> CellRow:
    values: dict[str, Any] = {
        "profile": "miniature",
        "dataset": "mvtec",
        "subset": "bottle",
        "method": "clip",
        "status": "failed",
        "error": "mvtec/bottle/test/broken/000.png: cannot be decoded; fetch it again",
    }
    return CellRow(**(values | changes))


def ok_cell(**changes: Any) -> CellResult:
    images = ["good/000.png", "broken/001.png", "broken/000.png"]
    scores = CellScores(images, np.array([0, 1, 1]), np.array([0.1, 0.7, 0.3]))
    return CellResult(ok_row(**changes), scores, EXAMPLES)


def failed_cell(**changes: Any) -> CellResult:
    return CellResult(failed_row(**changes), None)
