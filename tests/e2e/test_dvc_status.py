"""`dvc status` after an edit: which stages it makes stale, and which it leaves alone."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from tests.project import ROOT, Project

pytestmark = pytest.mark.e2e

EDITS = {
    "pipeline/catalog/guess.py": set(),
    "pipeline/catalog/listing.py": {"prepare", "prepare_own"},
    "pipeline/detection/folder.py": set(),
    "pipeline/execution/scoring.py": {"evaluate"},
    "pipeline/execution/systems.py": {"train", "train_union", "evaluate"},
    "pipeline/execution/training.py": {"train", "train_union"},
    "pipeline/flows/server.py": set(),
    "pipeline/methods/prompts/anomalyclip.yaml": {"train", "train_union", "evaluate"},
    "pipeline/report/page/style.css": {"report"},
    "pipeline/tables/compare.py": set(),
    "pipeline/tables/latex.py": {"tables"},
    "pipeline/tables/published/table1_industrial.csv": {"tables", "report"},
}
OWN, UNION = "widgets", "mvtec+visa"


def commit_without_running(project: Project) -> None:
    """What dvc.lock is after a run, with an empty file in place of each output."""
    for name in ("dvc.yaml", ".dvcignore"):
        shutil.copy(ROOT / name, project.folder / name)
    (project.folder / "datasets" / f"{OWN}.yaml").write_text(f"name: {OWN}\n")
    shutil.copytree(project.folder / "samples", project.folder / "data")
    project.set_param("own", [OWN])
    project.set_param("unions", [UNION])
    params = project.params()
    outputs = [f"shards/miniature/{name}" for name in [*params["datasets"], OWN]]
    outputs += [f"weights/miniature/{name}" for name in [*params["auxiliaries"], UNION]]
    outputs += [f"results/miniature/{kind}" for kind in ("metrics", "scores", "examples", "tables", "report")]
    outputs += ["results/last-run", "results/means"]
    for folder in [*outputs, f"data-own/{OWN}"]:
        (project.folder / folder).mkdir(parents=True)
        (project.folder / folder / "file").touch()
    project.run("dvc", "init", "-q", "--no-scm")
    project.run("dvc", "commit", "-q", "-f")


def test_an_edit_makes_stale_what_it_can_move_and_nothing_else(project: Project) -> None:
    commit_without_running(project)
    for edited in EDITS:
        with (project.folder / edited).open("a") as file:
            file.write("\n")
    changes = json.loads(project.run("dvc", "status", "--json"))
    found: dict[str, set[str]] = {edited: set() for edited in EDITS}
    for stage, changed in changes.items():
        (deps,) = [item["changed deps"] for item in changed]
        for edited in EDITS:
            if any(Path(edited).is_relative_to(dep) for dep in deps):
                found[edited].add(stage.partition("@")[0])
    assert found == EDITS


def test_every_stage_has_an_edit_that_moves_it_and_one_that_does_not() -> None:
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    for stage in stages:
        assert {stage in stale for stale in EDITS.values()} == {True, False}
