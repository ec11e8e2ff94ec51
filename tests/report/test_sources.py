"""What a report reads: everything back by cell, and runs without a finished cell."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from pipeline.cells import CellKey, System
from pipeline.errors import ZsadError
from pipeline.params import load_params
from pipeline.report import Sources, read_sources, write_report
from pipeline.results.parquet import read_examples, read_scores

KEY = CellKey("btad", "01", "anomalyclip", "", 111)


def test_scores_and_examples_are_found_by_cell(sources: Sources, run_folder: Path) -> None:
    finished = {row.key for row in sources.rows if row.status == "ok"}
    assert set(sources.scores) == set(sources.examples) == finished
    frame = read_scores(run_folder / "results/miniature/scores")
    own = frame[
        (frame["dataset"] == "btad")
        & (frame["subset"] == "01")
        & (frame["method"] == "anomalyclip")
        & (frame["variant"] == "")
        & (frame["seed"] == 111)
    ]
    np.testing.assert_array_equal(sources.scores[KEY][1], own["score"].to_numpy(float))
    np.testing.assert_array_equal(sources.scores[KEY][0], own["label"].to_numpy(int))


def test_examples_go_from_the_highest_score_down(sources: Sources, run_folder: Path) -> None:
    shown = sources.examples[KEY]
    scores = [example.score for example in shown]
    assert scores == sorted(scores, reverse=True)
    frame = read_examples(run_folder / "results/miniature/examples")
    lines = frame[frame["subset"] == "01"]
    by_image = {
        line["image"]: line
        for line in lines.to_dict("records")
        if (line["method"], line["variant"], line["seed"]) == ("anomalyclip", "", 111)
    }
    assert len(by_image) == len(shown)
    for example in shown:
        line = by_image[example.image]
        assert (line["role"], line["heatmap"]) == (example.role, example.heatmap)


def test_histories_say_what_was_tuned_on_what(sources: Sources) -> None:
    (history,) = sources.histories
    assert (history.system, history.auxiliary, history.seed) == (System("anomalyclip"), "btad", 111)
    assert [epoch["total"] for epoch in history.epochs] == [3.0, 2.0]


def test_a_run_without_a_finished_cell_has_a_report(
    run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(run_folder, tmp_path / "project", ignore=shutil.ignore_patterns("samples", "data"))
    monkeypatch.chdir(tmp_path / "project")
    params = load_params()
    from pipeline.results import CellResult, CellRow, write_results

    row = CellRow(
        profile="miniature", dataset="btad", subset="01", method="clip", status="failed", error="no tower"
    )
    write_results([CellResult(row, None)], params.results)
    write_report(read_sources(params), tmp_path / "out")
    assert "no tower" in (tmp_path / "out" / "report.html").read_text()


def test_a_damaged_sidecar_is_named(
    run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(run_folder / "results", tmp_path / "results")
    shutil.copy(run_folder / "params.yaml", tmp_path)
    (tmp_path / "results/miniature/run.json").write_text("{")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ZsadError, match=r"run\.json is damaged"):
        read_sources(load_params())
