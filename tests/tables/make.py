"""Small runs for the tests of tables: three data sets, frames of rows as results give them back."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.results import METRICS, CellResult, CellRow, CellScores, read_metrics, write_results
from pipeline.tables import ExpectedSet

EXPECTED: dict[str, ExpectedSet] = {
    "mvtec": ExpectedSet(
        "MVTec AD", "industrial", "object_and_texture", ("image", "pixel"), ("bottle", "cable")
    ),
    "btad": ExpectedSet("BTAD", "industrial", "object", ("image", "pixel"), ("01",)),
    "headct": ExpectedSet("HeadCT", "medical", "brain", ("image",), ("headct",)),
    "isic": ExpectedSet("ISIC", "medical", "skin", ("pixel",), ("isic",)),
}


def row(dataset: str, subset: str, method: str, share: float, **changes: Any) -> CellRow:
    """An ok row in which every metric that the data set has is `share`, but for `changes`."""
    learnt = method == "anomalyclip"
    defined = EXPECTED[dataset].metrics
    values: dict[str, Any] = {
        "profile": "miniature",
        "seed": 111 if learnt else None,
        "auxiliary": ("btad" if dataset == "mvtec" else "mvtec") if learnt else None,
        "status": "ok",
        "image_size": 112,
        "n_images": 2,
        "n_normal": 1,
        "n_anomalous": 1,
        "build": "b",
        "params": "p",
        "code": "c",
        "cell_key": "k",
        **{metric: share if metric in defined else None for metric in METRICS},
    }
    return CellRow(dataset=dataset, subset=subset, method=method, **(values | changes))


def failed(dataset: str, subset: str, method: str, error: str = "out of memory", **changes: Any) -> CellRow:
    values = {"profile": "miniature", "seed": 111 if method == "anomalyclip" else None} | changes
    return CellRow(dataset=dataset, subset=subset, method=method, status="failed", error=error, **values)


def full_run(method: str, shares: Mapping[str, float], **changes: Any) -> list[CellRow]:
    """A row for every expected subset; `shares` by subset."""
    return [
        row(dataset, subset, method, shares[subset], **changes)
        for dataset, record in EXPECTED.items()
        for subset in record.subsets
    ]


def frame(rows: list[CellRow], folder: Path) -> pd.DataFrame:
    """`rows` written to `folder` and read back, as a stage would."""
    scores = CellScores(["a.png", "b.png"], np.array([0, 1]), np.array([0.1, 0.9]))
    write_results([CellResult(it, scores if it.status == "ok" else None) for it in rows], folder)
    return read_metrics(folder / "metrics")
