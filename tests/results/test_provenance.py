import json
import os
import platform
import shutil
import subprocess
from importlib import metadata
from pathlib import Path

import pytest

from pipeline.results import SCHEMA_VERSION, write_run
from pipeline.results.provenance import git_revision


def _git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"]
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    folder.mkdir()
    _git(folder, "init", "-q")
    (folder / "file").write_text("1")
    _git(folder, "add", ".")
    _git(folder, "commit", "-q", "--no-verify", "-m", "first")
    return folder


def test_revision_of_a_clean_and_of_a_changed_checkout(checkout: Path) -> None:
    commit = _git(checkout, "rev-parse", "HEAD")
    assert git_revision(checkout) == {"commit": commit, "changed": False}
    (checkout / "file").write_text("2")
    assert git_revision(checkout) == {"commit": commit, "changed": True}


def test_the_revision_is_that_of_the_checkout_in_a_hook_of_another(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    shutil.copytree(checkout, other)
    _git(other, "commit", "-q", "--no-verify", "--allow-empty", "-m", "second")
    commit = _git(checkout, "rev-parse", "HEAD")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / ".git" / "index"))
    assert git_revision(checkout) == {"commit": commit, "changed": False}


def test_no_revision_outside_a_checkout(tmp_path: Path) -> None:
    assert git_revision(tmp_path / "nowhere") is None


def test_no_revision_without_git(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert git_revision(checkout) is None


def test_run_record(tmp_path: Path, checkout: Path) -> None:
    path = tmp_path / "run.json"
    write_run(path, seconds={"evaluate": 1.23456}, cells={"run": 3, "reused": 4}, repository=checkout)
    content = json.loads(path.read_text())
    assert set(content) == {"schema_version", "cells", "seconds", "libraries", "git", "machine", "finished"}
    assert content["schema_version"] == SCHEMA_VERSION
    assert content["machine"] == {
        "platform": platform.platform(),
        "python": platform.python_version(),
        "processors": os.cpu_count(),
    }
    assert content["seconds"] == {"evaluate": 1.235}
    assert content["cells"] == {"run": 3, "reused": 4}
    assert content["libraries"]["pyarrow"] == metadata.version("pyarrow")
    assert content["git"]["changed"] is False
    assert str(tmp_path) not in path.read_text()
