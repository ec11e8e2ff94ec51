import random
from pathlib import Path

import pandas as pd
import pytest

from pipeline.results import METRICS_SCHEMA, SCHEMA_VERSION, ResultsError, parquet, slug, write_results
from pipeline.results.parquet import cell_rows, read_examples, read_metrics, read_scores
from pipeline.results.schema import SINCE

from .make import EXAMPLES, failed_cell, failed_row, ok_cell, ok_row


def _contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


CELLS = [
    ok_cell(),
    ok_cell(seed=7),
    ok_cell(method="clip", seed=None, auxiliary=None, subset="cable"),
    failed_cell(),
    ok_cell(dataset="sdd", subset="electrical commutators", variant="no_dpam"),
]


def test_one_file_a_subset_whatever_the_order(tmp_path: Path) -> None:
    paths = write_results(CELLS, tmp_path / "a")
    assert [path.relative_to(tmp_path / "a").as_posix() for path in paths] == [
        "examples/mvtec/bottle.parquet",
        "examples/mvtec/cable.parquet",
        "examples/sdd/electrical_commutators.parquet",
        "metrics/mvtec/bottle.parquet",
        "metrics/mvtec/cable.parquet",
        "metrics/sdd/electrical_commutators.parquet",
        "scores/mvtec/bottle.parquet",
        "scores/mvtec/cable.parquet",
        "scores/sdd/electrical_commutators.parquet",
    ]
    write_results(random.Random(0).sample(CELLS, len(CELLS)), tmp_path / "b")  # noqa: S311
    assert _contents(tmp_path / "a") == _contents(tmp_path / "b")


def test_rows_come_back_sorted_and_exact(tmp_path: Path) -> None:
    write_results(CELLS, tmp_path)
    metrics = read_metrics(tmp_path / "metrics")
    assert cell_rows(metrics) == [
        ok_row(seed=7),
        ok_row(),
        failed_row(),
        ok_row(method="clip", seed=None, auxiliary=None, subset="cable"),
        ok_row(dataset="sdd", subset="electrical commutators", variant="no_dpam"),
    ]
    assert set(metrics["schema_version"]) == {SCHEMA_VERSION}


def test_undefined_is_null_and_never_a_number(tmp_path: Path) -> None:
    write_results([ok_cell(image_ap=None)], tmp_path)
    row = read_metrics(tmp_path / "metrics").iloc[0]
    assert row["image_ap"] is pd.NA
    assert row["pixel_pro"] == 0
    assert row["error"] is pd.NA
    assert row["seed"] == 111


def test_scores_are_sorted_by_image_and_carry_the_cell(tmp_path: Path) -> None:
    write_results([ok_cell(), ok_cell(method="clip", seed=None)], tmp_path)
    frame = read_scores(tmp_path / "scores")
    own = frame[frame["method"] == "anomalyclip"]
    assert own["image"].tolist() == ["broken/000.png", "broken/001.png", "good/000.png"]
    assert own["label"].tolist() == [1, 1, 0]
    assert own["score"].tolist() == [0.3, 0.7, 0.1]
    assert own["seed"].tolist() == [111] * 3
    assert frame[frame["method"] == "clip"]["seed"].isna().all()
    assert set(frame["variant"]) == {""}


def test_examples_come_back_with_their_images(tmp_path: Path) -> None:
    write_results([ok_cell(method="clip", seed=None), ok_cell()], tmp_path)
    frame = read_examples(tmp_path / "examples")
    assert frame["method"].tolist() == ["anomalyclip"] * 2 + ["clip"] * 2
    own = frame[frame["method"] == "clip"]
    assert own["image"].tolist() == ["good/000.png", "broken/000.png"]
    assert (own["label"].tolist(), own["score"].tolist()) == ([0, 1], [0.1, 0.3])
    assert own["role"].tolist() == ["alarm", pd.NA]
    assert own["reference"].tolist() == [False, True]
    assert own["heatmap"].tolist() == [example.heatmap for example in EXAMPLES]


def test_a_subset_without_scores_has_no_scores_file(tmp_path: Path) -> None:
    write_results([failed_cell()], tmp_path)
    assert list(_contents(tmp_path)) == ["metrics/mvtec/bottle.parquet"]
    assert (tmp_path / "scores").is_dir()
    with pytest.raises(ResultsError, match="no results here"):
        read_scores(tmp_path / "scores")


def test_files_of_cells_that_left_the_run_are_deleted(tmp_path: Path) -> None:
    write_results(CELLS, tmp_path)
    (tmp_path / "metrics" / "mvtec" / "stray.txt").write_text("x")
    (tmp_path / "run.json").write_text("{}")
    write_results([ok_cell()], tmp_path)
    assert sorted(_contents(tmp_path)) == [
        "examples/mvtec/bottle.parquet",
        "metrics/mvtec/bottle.parquet",
        "run.json",
        "scores/mvtec/bottle.parquet",
    ]
    assert not (tmp_path / "metrics" / "sdd").exists()


def test_a_cell_may_not_occur_twice(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="anomalyclip on mvtec/bottle, seed 111: this cell occurs twice"):
        write_results([ok_cell(), ok_cell(image_ap=0.5)], tmp_path)
    assert not any(tmp_path.iterdir())


def test_two_subsets_may_not_share_a_file(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="two subsets of mvtec have this file name; rename 'a_b'"):
        write_results([ok_cell(subset="a b"), ok_cell(subset="a_b")], tmp_path)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("metal_nut", "metal_nut"),
        ("electrical commutators", "electrical_commutators"),
        ("Woven_001", "Woven_001"),
        ("a/../b", "a_.._b"),
        ("..", "_"),
        ("größe 1.5", "gr__e_1.5"),
    ],
)
def test_slug(name: str, expected: str) -> None:
    if expected == "_":
        with pytest.raises(ResultsError, match="cannot name a file"):
            slug(name)
    else:
        assert slug(name) == expected


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = write_results([ok_cell()], tmp_path)[1]
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ResultsError, match=r"metrics/mvtec/bottle\.parquet: damaged Parquet file"):
        read_metrics(tmp_path / "metrics")


def test_a_file_of_other_columns_is_named(tmp_path: Path) -> None:
    _, metrics, scores = write_results([ok_cell()], tmp_path)
    metrics.write_bytes(scores.read_bytes())
    with pytest.raises(ResultsError, match=r"metrics/mvtec/bottle\.parquet: its columns are not those"):
        read_metrics(tmp_path / "metrics")


def test_an_empty_folder_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="run `dvc repro evaluate` first"):
        read_metrics(tmp_path / "metrics")


def test_results_from_before_a_column_are_read_with_nulls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Version 2 had no titles, and version 3 nothing about the rule."""
    write_results([ok_cell(title="AnomalyCLIP", track="main"), failed_cell()], tmp_path)
    new = read_metrics(tmp_path / "metrics")
    assert new["title"].tolist() == ["AnomalyCLIP", pd.NA]
    (path,) = tmp_path.glob("metrics/*/*.parquet")
    table, _ = parquet.from_bytes(path.read_bytes(), METRICS_SCHEMA, "new")
    with monkeypatch.context() as patch:
        patch.setattr("pipeline.results.parquet.SCHEMA_VERSION", 2)
        path.write_bytes(parquet.to_bytes(table.drop_columns(list(SINCE)), {}))
    old = read_metrics(tmp_path / "metrics")
    assert old[list(SINCE)].isna().all().all()
    pd.testing.assert_frame_equal(old.drop(columns=list(SINCE)), new.drop(columns=list(SINCE)))
    assert [(row.title, row.track) for row in cell_rows(old)] == [(None, None)] * 2
