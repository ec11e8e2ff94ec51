"""Stores of cells and of text features: what is kept, what is not, and what a damaged file does."""

import os
from pathlib import Path
from typing import Final

import numpy as np
import pytest

from pipeline.errors import BusyError
from pipeline.execution.store import CellStore, TextStore, only_run
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


SHAPE: Final = (2, 8)
TEXT: Final = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)


def test_text_comes_back_to_the_bit(tmp_path: Path) -> None:
    texts = TextStore(tmp_path)
    assert texts.get(KEY, SHAPE) is None
    texts.put(KEY, TEXT)
    found = TextStore(tmp_path).get(KEY, SHAPE)
    assert found is not None
    assert found.tobytes() == TEXT.tobytes()


def test_a_place_holds_the_text_of_one_key(tmp_path: Path) -> None:
    """Keys of one beginning share a place, so there are never more files than beginnings."""
    texts, other = TextStore(tmp_path), KEY[:4] + "cd" * 30
    texts.put(KEY, TEXT)
    assert texts.get(other, SHAPE) is None
    texts.put(other, -TEXT)
    assert texts.get(KEY, SHAPE) is None
    found = texts.get(other, SHAPE)
    assert found is not None
    assert np.array_equal(found, -TEXT)
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 1


@pytest.mark.parametrize("damage", ["cut", "longer", "flip", "empty", "pipe", "folder"])
def test_damaged_text_counts_as_absent(tmp_path: Path, damage: str) -> None:
    texts = TextStore(tmp_path)
    texts.put(KEY, TEXT)
    (path,) = tmp_path.rglob("*.f32")
    content = path.read_bytes()
    flipped = content[:-2] + bytes([content[-2] ^ 1]) + content[-1:]
    path.unlink()
    if damage == "pipe":
        os.mkfifo(path)
    elif damage == "folder":
        path.mkdir()
    else:
        damaged = {"cut": content[:-4], "longer": content + b"0", "flip": flipped, "empty": b""}
        path.write_bytes(damaged[damage])
    assert texts.get(KEY, SHAPE) is None
    texts.put(KEY, TEXT)  # into a folder it cannot, and says so
    assert (texts.get(KEY, SHAPE) is None) == (damage == "folder")


def test_text_of_another_shape_is_not_taken(tmp_path: Path) -> None:
    texts = TextStore(tmp_path)
    texts.put(KEY, TEXT)
    assert texts.get(KEY, (2, 4)) is None


def test_text_that_cannot_be_kept_costs_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "texts").touch()
    TextStore(tmp_path / "texts").put(KEY, TEXT)
    assert "cannot be kept" in caplog.text
