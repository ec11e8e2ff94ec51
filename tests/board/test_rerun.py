"""A real run in its own project: settings, code, data and weights are compared, and cells run again."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from pipeline.board import verify
from pipeline.board.rerun import against_project, rerun
from pipeline.cli import main
from pipeline.execution.store import CellStore
from pipeline.params import load_params
from pipeline.results import CellResult, write_results, write_run
from pipeline.tables import write_run_tables
from tests.project import Project


@pytest.fixture
def run(evaluated: Project) -> Path:
    """The results of a run of CLIP, CLIP-AC and AnomalyCLIP."""
    params = load_params()
    write_run(params.results / "run.json", seconds={}, cells={}, repository=Path())
    write_run_tables(params)
    return params.results


def forge(run: Path, dataset: str, **columns: Any) -> None:
    """Other columns in every row of CLIP on a data set, and whatever follows from them."""
    store = CellStore()
    results: list[CellResult] = []
    for row in Project(Path()).rows():
        found = store.get(str(row.cell_key))
        assert found is not None
        forged: dict[str, Any] = columns if (row.method, row.dataset) == ("clip", dataset) else {}
        results.append(replace(found, row=replace(row, **forged)))
    write_results(results, run)
    write_run_tables(load_params())


def test_a_real_run_is_accepted_by_its_own_project_and_by_running_cells_again(run: Path) -> None:
    params = load_params()
    found = against_project(verify(run), params)
    assert (found.reasons, found.unchecked) == ((), ())
    assert rerun(found, params, 3, seed=1).reasons == ()
    told = CliRunner().invoke(main, ["verify", str(run), "--rerun", "1"])
    assert told.exit_code == 0, told.output
    assert "not checked: not seen by this check: a forgery that is consistent" in told.output
    assert told.output.endswith(f"{run}: accepted\n")


def test_a_consistent_forgery_passes_until_its_cell_is_run_again(run: Path, evaluated: Project) -> None:
    forge(run, "endo", pixel_pro=0.9)
    evaluated.set_param("methods", {"clip": evaluated.params()["methods"]["clip"]})
    params = load_params()
    found = against_project(verify(run), params)
    assert found.accepted
    assert "clip on endo/colon: pixel_pro is 0.9, run again" in rerun(found, params, 6).reasons[0]


def test_digests_of_another_project_are_named(run: Path) -> None:
    columns = ("params", "code", "build", "weights", "cell_key")
    forge(run, "headct", **dict.fromkeys(columns, "f" * 64))
    reasons = "\n".join(against_project(verify(run), load_params()).reasons)
    for column in columns:
        assert f"clip on headct/brain: {column} is ffffffffffff, in this project" in reasons


def test_another_profile_says_what_was_not_checked(run: Path, evaluated: Project) -> None:
    evaluated.set_param("methods", {"clip": evaluated.params()["methods"]["clip"]})
    found = against_project(verify(run), load_params())
    assert "not part of this project's params" in found.unchecked[0]
    evaluated.set_param("profile", "other")
    told = CliRunner().invoke(main, ["verify", str(run), "--json"])
    assert '"accepted": true' in told.output
    assert "this project has profile other" in told.output
