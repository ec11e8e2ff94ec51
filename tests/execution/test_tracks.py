"""The batch track in a whole evaluation: whole subsets, groups of its own, nothing of the others moved."""

import pytest

from pipeline.clip import features
from pipeline.execution.run import open_run
from pipeline.execution.store import CellStore
from pipeline.params import load_params
from pipeline.tables import build_tables, read_outcome
from pipeline.tables.markdown import markdown
from tests.execution.running import evaluate, forget, use_plain_methods
from tests.project import Project

MUSC = {"tower": "main", "layers": [2, 8], "neighbourhoods": [1, 3]}


@pytest.fixture
def plain(trained: Project) -> Project:
    use_plain_methods(trained)
    trained.set_param("datasets", ["btad", "headct", "sdd", "endo"])
    return trained


def add_musc(project: Project) -> None:
    project.set_param("methods", project.params()["methods"] | {"musc": MUSC})


def test_the_pass_of_the_others_is_unchanged_to_the_bit(plain: Project) -> None:
    assert evaluate().complete
    rows, scores = plain.rows(), plain.files("results/miniature/scores")
    add_musc(plain)
    forget(plain)
    assert evaluate().complete
    beside = plain.rows()
    assert [row for row in beside if row.method != "musc"] == rows
    own = [row for row in beside if row.method == "musc"]
    assert len(own) == len(rows) // 2
    assert {(row.track, row.protocol, row.seed, row.status) for row in own} == {("batch", "none", None, "ok")}
    assert {row.track for row in rows} == {"main"}
    assert plain.files("results/miniature/scores").keys() == scores.keys()
    tables = build_tables(read_outcome(load_params()))
    assert {it.method for it in tables["table1"].outcome.means} == {"clip", "clip_ac"}
    for name in ("industrial", "medical", "metrics", "subsets/btad"):
        text = markdown(tables[f"batch/{name}"])
        assert text.startswith("# ")
        assert "MINIATURE PROFILE" in text
        assert "Batch track: " in text
        assert {it.method for it in tables[f"batch/{name}"].outcome.means} == {"musc"}


def test_it_has_groups_of_its_own_that_the_plan_names(plain: Project) -> None:
    add_musc(plain)
    tasks = open_run(load_params(), CellStore()).tasks
    methods = {task.label: {it.cell.key.method for it in task.cells} for task in tasks}
    assert methods["btad/01"] == {"clip", "clip_ac"}
    assert methods["btad/01 (batch track)"] == {"musc"}
    assert len({task.label for task in tasks}) == len(tasks)


def test_features_in_files_give_the_same_numbers(plain: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    plain.set_param("methods", {"musc": MUSC})
    assert evaluate().complete
    rows, scores = plain.rows(), plain.files("results")
    forget(plain)
    usual: dict[str, object] = dict(features.keep_features.__kwdefaults__ or {})
    monkeypatch.setattr(features.keep_features, "__kwdefaults__", usual | {"memory": 0})
    assert evaluate().complete
    assert plain.rows() == rows
    assert plain.files("results").keys() == scores.keys()
    assert not [*(plain.folder / ".zsad" / "features").iterdir()]


def test_a_subset_that_is_too_small_fails_by_name(plain: Project) -> None:
    plain.set_param("methods", plain.params()["methods"] | {"musc": MUSC | {"share": 0.01}})
    summary = evaluate()
    assert {name.split()[0] for name, _ in summary.failures} == {"musc"}
    assert {row.track for row in plain.rows() if row.method == "musc"} == {"batch"}
    assert all("are too few" in reason for _, reason in summary.failures)
