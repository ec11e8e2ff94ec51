"""The scheduled flow on a small DVC project: DVC's order, cached stages, sub-runs, pages, a failing stage."""

import re
import shutil
import sqlite3
import sys
from pathlib import Path
from typing import Any

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
import os
from pathlib import Path

from prefect import flow
from pipeline.flows.sub_runs import run_in_parent

@flow(name="inner", validate_parameters=False)
def inner(number):
    return number + 1

assert run_in_parent(inner, number=1) == 2
tables = Path("results/miniature/tables")
tables.mkdir(parents=True)
(tables / "table1.md").write_text("# Table 1. Numbers\\n\\n| a |\\n| --- |\\n| 1.5 |\\n")
(tables / "one.svg").write_text("<svg/>")
print("the token is", os.environ["SOME_TOKEN"])
"""

RUN = """
from pipeline.flows.benchmark import benchmark
from pipeline.flows.dvc_stages import stage_order
from pipeline.flows.server import some_server

print(stage_order())
with some_server():
    benchmark()
"""
SECRET = "correct-horse-battery"  # noqa: S105 - to be looked for where it must not be


@pytest.fixture
def dvc_project(
    tmp_path: Path, prefect_home: Path, small_params: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> Project:
    project = Project(tmp_path)
    shutil.copytree(prefect_home, tmp_path / ".prefect")
    (tmp_path / "dvc.yaml").write_text(DVC_YAML)
    (tmp_path / "inner.py").write_text(INNER)
    (tmp_path / "tell.py").write_text("import sys; open('told.txt', 'a').write(sys.argv[1] + chr(10))")
    project.write_params(small_params)
    project.run("git", "init", "-q")
    project.run("dvc", "init", "-q")
    monkeypatch.setenv("SOME_TOKEN", SECRET)
    monkeypatch.setenv("ZSAD_NOTIFY", f"{sys.executable} tell.py")
    return project


def recorded(project: Project, query: str) -> list[tuple[str, ...]]:
    with sqlite3.connect(project.folder / ".prefect" / "prefect.db") as database:
        return database.execute(query).fetchall()


def test_stages_run_in_dvc_order_and_the_pages_show_it(dvc_project: Project) -> None:
    run = ("python", "-c", RUN)
    dvc_project.run("dvc", "repro", "first")
    assert "['first', 'last']" in dvc_project.run(*run)
    tasks = recorded(dvc_project, "select name, state_name, id from task_run")
    states = {name: state for name, state, _ in tasks}
    assert states == {"first": "Cached", "last": "Completed"}
    flows = recorded(dvc_project, "select name, parent_task_run_id from flow_run order by parent_task_run_id")
    assert re.fullmatch(r"benchmark miniature \d{4}-\d\d-\d\d \d\d:\d\d", flows[0][0])
    assert flows[1][1] == next(task_id for name, _, task_id in tasks if name == "last")

    artifacts = {row[0]: row[1] for row in recorded(dvc_project, "select key, data from artifact")}
    assert "| 1.5 |" in artifacts["miniature-table1"]
    assert "data:image/svg+xml;base64," in artifacts["miniature-one"]
    assert ("the token is ***",) in recorded(dvc_project, "select message from log")
    for file in (dvc_project.folder / ".prefect").rglob("*"):
        assert not file.is_file() or SECRET.encode() not in file.read_bytes(), file

    (dvc_project.folder / "inner.py").write_text("raise SystemExit(3)")
    output = dvc_project.run(*run, code=1)
    assert "stage last: ERROR: failed to reproduce 'last'" in output
    ended = recorded(dvc_project, "select state_name from flow_run order by start_time desc limit 1")
    assert ended == [("Failed",)]
    told = (dvc_project.folder / "told.txt").read_text().splitlines()
    assert [line.partition(": benchmark miniature ")[0] for line in told] == ["zsad", "zsad"]
    assert told[0].endswith(": Completed")
    assert ": Failed: stage last: ERROR: failed to reproduce 'last'" in told[1]
