"""A threshold that an evaluation gives, at the rate that is asked for, and never of another detector."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.detection.detector import Detector, GivenTower, open_detector
from pipeline.detection.folder import FolderScores
from pipeline.detection.threshold import _digests, carried_over, write_above
from pipeline.errors import DataError
from pipeline.results import CellResult, CellScores, write_results
from tests.execution.folder_files import write_tower
from tests.tables.make import row

NORMAL = np.linspace(0, 1, 40)


@pytest.fixture(scope="module")
def tower(tmp_path_factory: pytest.TempPathFactory) -> GivenTower:
    return write_tower(tmp_path_factory.mktemp("tower"))


@pytest.fixture
def detector(tower: GivenTower) -> Detector:
    return open_detector("clip", None, tower=tower, settings={"layers": [6]})


@pytest.fixture
def results(detector: Detector, tmp_path: Path) -> Path:
    """Two subsets of MVTec AD by this detector, one of BTAD by another."""
    weights, params = _digests(detector)
    rows = [row("mvtec", subset, "clip", 0.7) for subset in ("bottle", "cable")]
    counts: dict[str, Any] = {"n_images": 25, "n_normal": 20, "n_anomalous": 5}
    rows = [replace(it, weights=weights, params=params, **counts) for it in rows]
    labels = np.array([0] * 20 + [1] * 5)
    parts = [np.concatenate([part, np.full(5, 9.0)]) for part in (NORMAL[:20], NORMAL[20:])]
    names = [f"{number}.png" for number in range(25)]
    cells = [
        CellResult(it, CellScores(names, labels, scores)) for it, scores in zip(rows, parts, strict=True)
    ]
    one = replace(row("btad", "01", "clip", 0.7), n_images=1, n_normal=1, n_anomalous=0)
    other = CellResult(one, CellScores(["a.png"], np.array([0]), np.array([5.0])))
    write_results([*cells, other], tmp_path / "results")
    return tmp_path / "results"


@pytest.mark.parametrize("rate", [0.05, 0.1, 0.3, 0.999])
def test_no_more_normal_images_are_above_than_asked_for(
    detector: Detector, results: Path, rate: float
) -> None:
    found = carried_over(detector, results, "mvtec", rate)
    assert found.normals == 40
    assert found.above == (found.value < NORMAL).sum() <= 40 * rate
    assert (found.value <= NORMAL).sum() > 40 * rate  # no lower one would do


def test_scores_of_other_settings_or_weights_give_none(
    detector: Detector, tower: GivenTower, results: Path
) -> None:
    with pytest.raises(DataError, match=r"no scores of btad by this method .* that have some: mvtec"):
        carried_over(detector, results, "btad", 0.05)
    changed = open_detector("clip", None, tower=tower, settings={"layers": [5]})
    with pytest.raises(DataError, match="data sets that have some: none"):
        carried_over(changed, results, "mvtec", 0.05)


def test_images_above_are_named(detector: Detector, results: Path, tmp_path: Path) -> None:
    done = FolderScores(["a.png", "b.png"], [0.5, 1.5])
    told, caution = write_above(tmp_path, carried_over(detector, results, "mvtec", 0.05), done)
    written = json.loads((tmp_path / "threshold.json").read_text())
    assert written["images_above"] == ["b.png"]
    assert "2 normal images of 40 in mvtec" in told
    assert "here 1 of 2" in told
    assert "mvtec" in caution
