"""Small runs for the tests of tables: a few data sets, frames of rows as results give them back."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

from pipeline import catalog
from pipeline.results import METRICS, CellResult, CellRow, CellScores, write_results
from pipeline.results.parquet import read_metrics
from pipeline.tables import ExpectedSet, Outcome, expected_sets, outcome_of, write_tables

GOLDEN = Path(__file__).parent / "golden"

EXPECTED: dict[str, ExpectedSet] = {
    "mvtec": ExpectedSet(
        "MVTec AD", "industrial", "object_and_texture", ("image", "pixel"), ("bottle", "cable")
    ),
    "btad": ExpectedSet("BTAD", "industrial", "object", ("image", "pixel"), ("01",)),
    "headct": ExpectedSet("HeadCT", "medical", "brain", ("image",), ("headct",)),
    "isic": ExpectedSet("ISIC", "medical", "skin", ("pixel",), ("isic",)),
}

# What the ablations are made on: the paper's two data sets, and one without masks.
ABLATION_EXPECTED: dict[str, ExpectedSet] = {
    "mvtec": EXPECTED["mvtec"],
    "visa": ExpectedSet("VisA", "industrial", "object", ("image", "pixel"), ("candle", "pcb1")),
    "headct": EXPECTED["headct"],
}

# The medical data sets of the catalog.
MEDICAL_EXPECTED: dict[str, ExpectedSet] = {
    name: it for name, it in expected_sets(catalog.names()).items() if it.domain == "medical"
}

EXTENDED: str = "extended-2026.12"
EXTENDED_EXPECTED: dict[str, ExpectedSet] = expected_sets(catalog.names(EXTENDED))


def rule(*, learnt: bool) -> dict[str, Any]:
    """The columns about the rule, as a run has them."""
    return {
        "track": "main",
        "protocol": "mvtec" if learnt else "none",
        "build_name": "miniature",
        "epochs_rule": "last" if learnt else "none",
        "chosen_on_target": "no",
        "shown_by": "docs/protocol.md",
    }


def row(dataset: str, subset: str, method: str, share: float, **changes: Any) -> CellRow:
    """An ok row in which every metric that the data set has is `share`, but for `changes`."""
    learnt = method == "anomalyclip"
    defined = (EXPECTED | ABLATION_EXPECTED | MEDICAL_EXPECTED | EXTENDED_EXPECTED)[dataset].metrics
    values: dict[str, Any] = {
        "profile": "miniature",
        "seed": 111 if learnt else None,
        "auxiliary": ("btad" if dataset == "mvtec" else "mvtec") if learnt else None,
        **rule(learnt=learnt),
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


def ablation_run(variant: str, share: float, **changes: Any) -> list[CellRow]:
    """A row of AnomalyCLIP, or with `variant` of an ablation, for every subset of `ABLATION_EXPECTED`.

    Subsets differ by a point, so that a mean is none of its values. A metric among `changes` is given to the
    data sets that have it.
    """
    rows = []
    for dataset, record in ABLATION_EXPECTED.items():
        own = {key: value for key, value in changes.items() if key not in METRICS or key in record.metrics}
        for index, subset in enumerate(record.subsets):
            rows.append(row(dataset, subset, "anomalyclip", share + 0.01 * index, variant=variant, **own))
    return rows


def frame(rows: list[CellRow], folder: Path) -> pd.DataFrame:
    """`rows` written to `folder` and read back, as a stage would."""
    write_results([CellResult(it, _scores(it)) for it in rows], folder)
    return read_metrics(folder / "metrics")


def _scores(it: CellRow) -> CellScores | None:
    """Of so many images, every other one anomalous, in perfect order."""
    if it.n_images is None:
        return None
    labels = np.arange(it.n_images) % 2
    return CellScores(
        [f"{place}.png" for place in range(it.n_images)], labels, labels + np.arange(it.n_images) / 100
    )


def outcome(
    folder: Path,
    rows: list[CellRow],
    expected: Mapping[str, ExpectedSet] = EXPECTED,
    profile: str = "miniature",
) -> Outcome:
    """What `rows` come to."""
    return outcome_of(frame(rows, folder), expected, profile)


def write(
    folder: Path,
    rows: list[CellRow],
    expected: Mapping[str, ExpectedSet] = EXPECTED,
    profile: str = "miniature",
) -> dict[str, str]:
    """The tables of `rows` by name, written to `folder`/tables."""
    paths = write_tables(outcome(folder / "results", rows, expected, profile), folder / "tables")
    return {path.relative_to(folder / "tables").as_posix(): path.read_text() for path in paths}


def files_of(name: str) -> set[str]:
    """The files of a table, one a format."""
    return {f"{name}{suffix}" for suffix in (".csv", ".html", ".md", ".tex")}


def renew_golden(rows: list[CellRow], expected: Mapping[str, ExpectedSet], names: Iterable[str]) -> None:
    """Make the golden files `names` from `rows`."""
    with TemporaryDirectory() as scratch:
        texts = write(Path(scratch), rows, expected)
    for name in names:
        (GOLDEN / name).parent.mkdir(parents=True, exist_ok=True)
        (GOLDEN / name).write_text(texts[name])
