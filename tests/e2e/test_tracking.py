"""Data of one's own under DVC, by one option: an experiment elsewhere has them, and so has a colleague."""

import shutil
from pathlib import Path

import pytest

from tests.project import ROOT, SECONDS, Project

pytestmark = [pytest.mark.e2e, pytest.mark.soak, pytest.mark.timeout(2 * SECONDS)]

IDENTITY = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")


def test_tracked_data_are_in_temporary_experiments_and_in_a_colleagues_pull(
    project: Project, tmp_path: Path
) -> None:
    project.init_dvc()
    for file in ("config", ".gitignore"):
        shutil.copy(ROOT / ".dvc" / file, project.folder / ".dvc" / file)
    project.run("git", "add", "-A")
    project.run("git", *IDENTITY, "commit", "-qm", "fresh")
    source = project.folder / "samples/btad/BTech_Dataset_transformed/01"
    shutil.copytree(source / "test/ok", tmp_path / "photos/good")
    shutil.copytree(source / "test/ko", tmp_path / "photos/dented")

    said = project.run("zsad", "datasets", "add", str(tmp_path / "photos"), "--name", "widgets", "--track")
    assert "tracked: data-own/widgets.dvc, staged in git" in said
    assert "tracked: data-own/widgets.dvc" in project.run("zsad", "download", "--track", "widgets")
    staged = project.run("git", "diff", "--cached", "--name-only").split()
    assert staged == ["data-own/widgets.dvc", "datasets/widgets.yaml"]
    project.run("git", *IDENTITY, "commit", "-qm", "widgets")
    assert "data-own" not in project.run("git", "status", "-s")

    output = project.run("dvc", "exp", "run", "--temp", "-S", "own=[widgets]", "prepare_own@widgets")
    assert "prepare widgets: 1 of 1 subsets, 11 images" in output

    project.run("dvc", "remote", "add", "-q", "-d", "store", str(tmp_path / "store"))
    project.run("dvc", "push", "-q", "data-own/widgets.dvc")
    colleague = Project(tmp_path / "colleague")
    project.run("git", "clone", "-q", str(project.folder), str(colleague.folder))
    shutil.copy(project.folder / ".dvc/config", colleague.folder / ".dvc/config")
    colleague.run("dvc", "pull", "-q", "data-own/widgets.dvc")
    assert colleague.files("data-own/widgets") == project.files("data-own/widgets") != {}
