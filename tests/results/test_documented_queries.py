"""The questions of docs/results.md, as they stand there, against rows whose answers are known."""

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.results import CellResult, CellRow, CellScores, write_results
from tests.docs.blocks import blocks
from tests.project import ROOT

from .make import ok_row

PAGE = ROOT / "docs" / "results.md"
BLOCKS = [block.text for block in blocks(PAGE, PAGE.read_text()) if block.language == "python"]


def cell(method: str, subset: str, share: float) -> CellResult:
    spread = {"pixel_auroc_se": 0.01, "pixel_auroc_low": share - 0.02, "pixel_auroc_high": share + 0.02}
    learnt = method == "anomalyclip"
    own = {"seed": 111 if learnt else None, "auxiliary": "visa" if learnt else None}
    row: CellRow = ok_row(method=method, subset=subset, n_images=4, pixel_auroc=share, **own, **spread)
    images = [f"{subset}/{place}.png" for place in range(4)]
    scores = CellScores(images, np.array([0, 0, 1, 1]), np.array([0.1, 0.8, 0.5, 0.7]))
    return CellResult(row, scores)


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    cells = [
        cell("clip", "bottle", 0.6),
        cell("clip", "cable", 0.7),
        cell("anomalyclip", "bottle", 0.9),
        cell("anomalyclip", "cable", 0.8),
    ]
    write_results(cells, Path("results/miniature"))


def run(library: str) -> dict[str, Any]:
    """What the block that imports `library` leaves behind."""
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    (block,) = (text for text in BLOCKS if f"import {library}" in text)
    names: dict[str, Any] = {}
    exec(block, names)  # noqa: S102 - our own documentation
    return names


def test_the_documentation_has_three_questions() -> None:
    assert len(BLOCKS) == 3


@pytest.mark.usefixtures("results")
def test_the_hardest_subset_by_pandas() -> None:
    (found,) = run("pandas")["hardest"].to_dict("records")
    assert found == {"dataset": "mvtec", "subset": "cable", "pixel_auroc": 0.8, "pixel_auroc_se": 0.01}


@pytest.mark.usefixtures("results")
def test_gains_by_duckdb() -> None:
    ((dataset, points),) = run("duckdb")["gains"].fetchall()
    assert (dataset, round(points, 6)) == ("mvtec", 20.0)


@pytest.mark.usefixtures("results")
def test_mistaken_images_by_polars() -> None:
    found = run("polars")["mistaken"].sort("subset")
    assert found["image"].to_list() == ["bottle/1.png", "cable/1.png"]
