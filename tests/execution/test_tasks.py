"""The code part of a cell's key: every source between image and metric is in it, and nothing else."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

import pipeline
from pipeline.execution import tasks

ROOT = Path(pipeline.__file__).parent


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Iterator[set[str]]:
    """Names of the files whose content the digest reads."""
    seen: set[str] = set()

    def digest(path: Path) -> str:
        seen.add(path.relative_to(ROOT).as_posix())
        return "0"

    monkeypatch.setattr(tasks, "file_digest", digest)
    tasks.code_digest.cache_clear()
    yield seen
    tasks.code_digest.cache_clear()


def test_what_moves_a_number_is_in_the_key(read: set[str]) -> None:
    tasks.code_digest("anomalyclip")
    expected = {
        "methods/anomalyclip.py",
        "methods/prompts/anomalyclip.yaml",
        "methods/base.py",
        "metrics/state.py",
        "clip/vision.py",
        "shards/reader.py",
        "execution/scoring.py",
        "execution/examples.py",
    }
    assert expected <= read
    assert not read & {"methods/clip.py", "methods/clip_ac.py", "cli.py", "execution/run.py"}
    assert not any(name.startswith(("tables/", "flows/")) for name in read)
    # How heatmaps are kept is part of a cell; how rows are written is not.
    assert {name for name in read if name.startswith("results/")} == {"results/examples.py"}


def test_a_changed_source_changes_the_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    tasks.code_digest.cache_clear()
    before = tasks.code_digest("clip")
    tasks.code_digest.cache_clear()
    monkeypatch.setattr(tasks, "file_digest", lambda path: str(path.name == "vision.py"))
    assert tasks.code_digest("clip") != before
    tasks.code_digest.cache_clear()


def test_dvc_runs_evaluate_again_when_a_source_of_the_key_changes(read: set[str]) -> None:
    tasks.code_digest("anomalyclip")
    stage = yaml.safe_load((ROOT.parent / "dvc.yaml").read_text())["stages"]["evaluate"]
    sources = [Path("pipeline", name) for name in read]
    assert not [path for path in sources if not any(path.is_relative_to(dep) for dep in stage["deps"])]
