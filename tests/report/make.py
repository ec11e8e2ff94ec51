"""A run to report on: real prepared images, made-up scores and maps, a failed cell with a hostile message."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pipeline.params import Params
from pipeline.results import (
    METRICS,
    SIDE,
    CellResult,
    CellRow,
    CellScores,
    Example,
    Role,
    encode_heatmap,
    spread_columns,
    write_results,
)
from pipeline.shards import SubsetShard, open_subset, read_manifest
from pipeline.tables import expected_sets

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)> & so on"
FAILED = ("endo", "clip_ac")


def heatmap(generator: np.random.Generator) -> bytes:
    """Blobs of the size that patches of a tower make."""
    coarse = Image.fromarray((255 * generator.random((14, 14)) ** 3).astype(np.uint8))
    return encode_heatmap(np.array(coarse.resize((SIDE, SIDE), Image.Resampling.BICUBIC)))


def examples(labels: np.ndarray[Any, Any], generator: np.random.Generator) -> tuple[Example, ...]:
    """As many as evaluation keeps, in the order of the shard instead of the scores."""
    anomalous, normal = np.flatnonzero(labels == 1), np.flatnonzero(labels == 0)
    roles: dict[int, Role] = {int(place): "alarm" for place in normal[:3]}
    roles |= {int(place): "missed" for place in anomalous[-3:]}
    roles |= {int(place): "found" for place in anomalous[:3]}
    return tuple(
        Example(
            place=place,
            role=roles[place],
            reference=place == anomalous[0],
            low=float(generator.uniform(0, 0.2)),
            high=float(generator.uniform(0.5, 1)),
            heatmap=heatmap(generator),
        )
        for place in sorted(roles)
    )


def cells(params: Params, systems: Sequence[tuple[str, str, int | None]]) -> Iterator[CellResult]:
    """A cell for every subset of `params` and every method, variant and seed."""
    for dataset, record in expected_sets(params.datasets).items():
        size = max(read_manifest(params.shards / dataset).sizes)
        for subset in record.subsets:
            shard = open_subset(params.shards / dataset, subset, size)
            for index, (method, variant, seed) in enumerate(systems):
                identity = {
                    "profile": params.profile,
                    "dataset": dataset,
                    "subset": subset,
                    "method": method,
                    "variant": variant,
                    "seed": seed,
                    "auxiliary": None if seed is None else params.tuned_on(dataset),
                }
                yield cell(shard, identity, record.metrics, index)


def cell(shard: SubsetShard, identity: dict[str, Any], metrics: Sequence[str], index: int) -> CellResult:
    """One cell; its numbers follow from its place."""
    if (identity["dataset"], identity["method"]) == FAILED:
        return CellResult(CellRow(status="failed", error=HOSTILE, **identity), None)
    generator = np.random.default_rng([index, len(shard), ord(shard.subset[-1])])
    measured: dict[str, Any] = dict.fromkeys(METRICS)
    for metric in metrics:
        measured[metric] = value = float(generator.uniform(0.3, 0.9))
        measured |= zip(spread_columns(metric), (0.03, value - 0.05, value + 0.05), strict=True)
    row = CellRow(
        status="ok",
        image_size=shard.size,
        n_images=len(shard),
        n_normal=int((shard.labels == 0).sum()),
        n_anomalous=int((shard.labels == 1).sum()),
        build="b" * 64,
        weights="w" * 64,
        params="p" * 64,
        code="c" * 64,
        cell_key=f"{index:064x}",
        **identity,
        **measured,
    )
    scores = CellScores(shard.paths, shard.labels, generator.normal(shard.labels, 1.0))
    return CellResult(row, scores, examples(shard.labels, generator))


def write_run(params: Params, systems: Sequence[tuple[str, str, int | None]]) -> None:
    """The results of a run of `systems`, its sidecar, and the losses of one training."""
    write_results(cells(params, systems), params.results)
    run = {"git": {"commit": "0123456789abcdef", "changed": False}, "seconds": {"evaluate": 12.3}}
    (params.results / "run.json").write_text(json.dumps(run))
    epochs = [{"total": 3.0, "focal": 1.0}, {"total": 2.0, "focal": 0.5}]
    history = {"method": "anomalyclip", "variant": "", "seed": 111, "epochs": epochs}
    path = params.weights / "btad" / "anomalyclip-seed111.history.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(history))


def folder_bytes(folder: Path) -> dict[str, bytes]:
    """Relative path to content of every file."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
