"""Runs that a release could have left: image metrics follow from scores, tables from rows."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from pipeline import catalog
from pipeline.files import value_digest
from pipeline.metrics import image_metrics
from pipeline.results import (
    PIXEL_METRICS,
    SIDE,
    CellResult,
    CellRow,
    CellScores,
    Example,
    encode_heatmap,
    spread_columns,
    write_results,
    write_run,
)
from pipeline.results.parquet import read_metrics
from pipeline.tables import ExpectedSet, Outcome, expected_sets, outcome_of, write_tables

DATASETS: Final = ("mvtec", "visa", "btad", "headct")
SYSTEMS: Final = (("clip", ""), ("anomalyclip", ""), ("anomalyclip", "visa"))
BLANK: Final = encode_heatmap(np.zeros((SIDE, SIDE), np.uint8))


def cells(
    profile: str = "miniature",
    datasets: Sequence[str] = DATASETS,
    systems: Sequence[tuple[str, str]] = SYSTEMS,
) -> list[CellResult]:
    """Every cell of a run of `systems`, under both protocols unless others are given."""
    return [
        _cell(profile, dataset, record, subset, *system)
        for dataset, record in expected_sets(datasets).items()
        for subset in record.subsets
        for system in systems
        if not (system[1] and dataset in ("mvtec", "visa"))
    ]


def _cell(
    profile: str, dataset: str, record: ExpectedSet, subset: str, method: str, variant: str
) -> CellResult:
    generator = np.random.default_rng([len(dataset), *map(ord, subset + method + variant)])
    normal, anomalous = _counts(profile, record, subset)
    labels = np.repeat([0, 1], [normal, anomalous])
    scores = generator.normal(labels.astype(float), 1.0)
    learnt = method == "anomalyclip"
    auxiliary = (variant or ("visa" if dataset == "mvtec" else "mvtec")) if learnt else None
    identity: dict[str, Any] = {"dataset": dataset, "subset": subset, "method": method, "variant": variant}
    row = CellRow(
        profile=profile,
        **identity,
        status="ok",
        seed=111 if learnt else None,
        title="AnomalyCLIP" if learnt else "CLIP",
        auxiliary=auxiliary,
        track="main",
        protocol=(variant or "mvtec") if learnt else "none",
        build_name="miniature" if profile == "miniature" else "published",
        epochs_rule="last" if learnt else "none",
        chosen_on_target="no",
        shown_by="docs/protocol.md",
        image_size=112,
        n_images=len(labels),
        n_normal=normal,
        n_anomalous=anomalous,
        **_measured(record, labels, scores, generator),
        build=value_digest([dataset, subset]),
        weights=value_digest([method, auxiliary]),
        params=value_digest([method]),
        code=value_digest([method, "code"]),
        cell_key=value_digest(identity),
    )
    names = [f"test/{label}/{place:03}.png" for place, label in enumerate(labels)]
    example = Example(0, "alarm", reference=False, low=0.0, high=1.0, heatmap=BLANK)
    return CellResult(row, CellScores(names, labels, scores), (example,))


def _counts(profile: str, record: ExpectedSet, subset: str) -> tuple[int, int]:
    if profile == "miniature":
        return 6, 8
    normal, anomalous = record.counts[subset]
    return normal or 0, anomalous or 0


def _measured(
    record: ExpectedSet, labels: Any, scores: Any, generator: np.random.Generator
) -> dict[str, Any]:
    found: dict[str, Any] = asdict(image_metrics(labels, scores))
    if "pixel" in record.tasks:
        found |= {metric: float(generator.uniform(0.4, 0.9)) for metric in PIXEL_METRICS}
    for metric, value in list(found.items()):
        ends = (0.02, max(0.0, value - 0.04), min(1.0, value + 0.04))
        found |= zip(spread_columns(metric), ends, strict=True)
    return found


def write_folder(results: Sequence[CellResult], folder: Path) -> Path:
    """What a run of `results` leaves."""
    write_results(results, folder)
    draw(folder)
    write_run(folder / "run.json", seconds={"evaluate": 1.0}, cells={"run": len(results)}, repository=folder)
    return folder


def draw(folder: Path) -> None:
    """The tables of the rows in `folder`."""
    write_tables(outcome(folder), folder / "tables")


def outcome(folder: Path) -> Outcome:
    """What the rows in `folder` come to."""
    metrics = read_metrics(folder / "metrics")
    builds = {
        dataset: build
        for dataset, build in zip(metrics["dataset"], metrics["build_name"], strict=True)
        if isinstance(build, str) and build != "miniature"
    }
    names = [name for name in catalog.names() if name in set(metrics["dataset"])]
    expected = expected_sets(names, builds if "clean" not in builds.values() else None)
    return outcome_of(metrics, expected, metrics["profile"].iloc[0], folder / "scores")


def change(results: Sequence[CellResult], number: int, **columns: Any) -> list[CellResult]:
    """`results` with other columns in one row."""
    changed = list(results)
    changed[number] = replace(changed[number], row=replace(changed[number].row, **columns))
    return changed


def set_release(folder: Path, version: str) -> None:
    """Let `run.json` name another release."""
    path = folder / "run.json"
    content = json.loads(path.read_text())
    content["libraries"]["zsad"] = version
    path.write_text(json.dumps(content))


def texts(folder: Path) -> Iterator[Path]:
    """The tables of a folder."""
    return (path for path in (folder / "tables").rglob("*") if path.is_file())
