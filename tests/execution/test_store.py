"""The cell store: what is kept, what is not, and what a damaged file does."""

from pathlib import Path
from typing import Final

import numpy as np
import pytest

from pipeline.errors import BusyError
from pipeline.execution.store import CellStore, only_run
from pipeline.results import CellResult, CellRow, CellScores

KEY: Final = "ab" * 32

OK_ROW: Final = CellRow(
    profile="miniature",
    dataset="endo",
    subset="colon",
    method="clip",
    status="ok",
    image_size=112,
    n_images=2,
    n_normal=1,
    n_anomalous=1,
    image_auroc=1.0,
    build="b",
    params="p",
    code="c",
    cell_key=KEY,
)
FINISHED: Final = CellResult(
    OK_ROW, CellScores(("a.png", "b.png"), np.array([0, 1], np.int8), np.array([0.1, 0.9]))
)
FAILED: Final = CellResult(
    CellRow(
        profile="miniature",
        dataset="endo",
        subset="colon",
        method="clip",
        status="failed",
        error="no",
        cell_key=KEY,
    ),
    None,
)


def test_a_finished_cell_comes_back(tmp_path: Path) -> None:
    store = CellStore(tmp_path)
    assert store.get(KEY) is None
    store.put(FINISHED)
    assert store.get(KEY) == FINISHED
    assert CellStore(tmp_path).get(KEY) == FINISHED


def test_a_failure_is_not_kept(tmp_path: Path) -> None:
    CellStore(tmp_path).put(FAILED)
    assert not list(tmp_path.rglob("*"))


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "other"])
def test_a_damaged_file_counts_as_absent(tmp_path: Path, damage: str) -> None:
    store = CellStore(tmp_path)
    store.put(FINISHED)
    (path,) = tmp_path.rglob("*.parquet")
    content = bytearray(path.read_bytes())
    if damage == "flip":
        content[len(content) // 2] ^= 0xFF
    damaged = {"cut": content[:-10], "flip": content, "empty": bytearray(), "other": bytearray(b"no parquet")}
    path.write_bytes(damaged[damage])
    assert store.get(KEY) is None
    store.put(FINISHED)
    assert store.get(KEY) == FINISHED


def test_what_cannot_be_read_counts_as_absent(tmp_path: Path) -> None:
    (tmp_path / KEY[:2] / f"{KEY}.parquet").mkdir(parents=True)
    assert CellStore(tmp_path).get(KEY) is None


def test_a_file_under_another_key_is_not_taken(tmp_path: Path) -> None:
    store = CellStore(tmp_path)
    store.put(FINISHED)
    (path,) = tmp_path.rglob("*.parquet")
    other = "ab" + "cd" * 31
    path.rename(path.with_name(f"{other}.parquet"))
    assert store.get(other) is None


def test_a_second_evaluation_of_a_profile_is_told_to_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with (
        only_run("miniature"),
        only_run("paper"),
        pytest.raises(BusyError, match=r"another evaluation of the mini.*wait for it"),
        only_run("miniature"),
    ):
        pass
