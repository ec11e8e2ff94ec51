"""The scheduled flow on a small DVC project: DVC's order, cached stages, sub-runs, and a failing stage."""

import sqlite3
from pathlib import Path

import pytest

from tests.project import Project

pytestmark = [pytest.mark.prefect, pytest.mark.e2e]

DVC_YAML = """
stages:
  last:
    cmd: python inner.py
    deps: [inner.py, x.txt, y.txt]
  first:
    foreach: [x, y]
    do:
      cmd: echo ${item} > ${item}.txt
      outs: ["${item}.txt"]
"""

INNER = """
from prefect import flow
from pipeline.flows.stages import run_in_parent

@flow(name="inner", validate_parameters=False)
def inner(number):
    return number + 1

assert run_in_parent(inner, number=1) == 2
"""


@pytest.fixture
def dvc_project(tmp_path: Path) -> Project:
    project = Project(tmp_path)
    (tmp_path / "dvc.yaml").write_text(DVC_YAML)
    (tmp_path / "inner.py").write_text(INNER)
    project.run("git", "init", "-q")
    project.run("dvc", "init", "-q")
    return project


def recorded(project: Project, query: str) -> list[tuple[str, ...]]:
    with sqlite3.connect(project.folder / ".prefect" / "prefect.db") as database:
        return database.execute(query).fetchall()


def test_stages_run_in_dvc_order_and_inner_flows_are_sub_runs(dvc_project: Project) -> None:
    run = (
        "python",
        "-c",
        "from pipeline.flows.benchmark import benchmark as b, stage_order as o; print(o()); b()",
    )
    dvc_project.run("dvc", "repro", "first")
    assert "['first', 'last']" in dvc_project.run(*run)
    tasks = recorded(dvc_project, "select name, state_name, id from task_run")
    states = {name: state for name, state, _ in tasks}
    assert states == {"first": "Cached", "last": "Completed"}
    (parent,) = recorded(
        dvc_project, "select parent_task_run_id from flow_run where parent_task_run_id is not null"
    )
    assert parent[0] == next(task_id for name, _, task_id in tasks if name == "last")

    (dvc_project.folder / "inner.py").write_text("raise SystemExit(3)")
    output = dvc_project.run(*run, code=1)
    assert "stage last: ERROR: failed to reproduce 'last'" in output
    flows = recorded(dvc_project, "select state_name from flow_run order by start_time desc limit 1")
    assert flows == [("Failed",)]
