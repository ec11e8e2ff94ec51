"""One word adds the suite extended-2026.12 to the miniature run; the paper's tables stay as they were."""

import shutil
from pathlib import Path

import pytest

from pipeline import catalog
from tests.project import ROOT, Project

pytestmark = [pytest.mark.e2e, pytest.mark.soak, pytest.mark.timeout(3600)]

SUITE = "extended-2026.12"
# One method that learns and one that does not are enough; a group costs much the same for six.
FEW = (
    *("-S", "retuned=none", "-S", "+methods.anomalyclip.training.epochs=1", "-S", "compute.backend=serial"),
    *(part for name in ("clip_ac", "winclip", "vand", "coop") for part in ("-S", f"~methods.{name}")),
)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    made = Project(tmp_path / "clone")
    for part in ("pipeline", "stages", "datasets", "samples"):
        shutil.copytree(ROOT / part, made.folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "params.yaml", made.folder)
    monkeypatch.chdir(made.folder)
    monkeypatch.setattr("tests.project.SECONDS", 1500)
    made.init_dvc()
    made.run("git", "add", "-A")
    made.run("git", "-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-qm", "fresh")
    return made


def test_one_word_adds_the_suite_and_changes_no_table_of_the_paper(project: Project) -> None:
    project.run("dvc", "exp", "run", "-q", *FEW)
    papers = project.files("results/miniature/tables")
    project.run("dvc", "exp", "run", "-q", "-S", f"suite={SUITE}", *FEW)
    both = project.files("results/miniature/tables")
    assert {name: both[name] for name in papers} == papers
    added = set(both) - set(papers)
    names = [*(f"{SUITE}/{table}" for table in ("industrial", "medical", "metrics"))]
    names += [f"subsets/{dataset}" for dataset in catalog.names(SUITE)]
    assert added == {f"{name}{suffix}" for name in names for suffix in (".md", ".tex", ".csv", ".html")}
    assert not [row.error for row in project.rows() if row.status == "failed"]
    assert "This run has no" not in both[f"{SUITE}/industrial.md"].decode()
    assert SUITE in (project.folder / "results/miniature/report/report.html").read_text()
