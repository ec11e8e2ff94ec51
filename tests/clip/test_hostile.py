"""Files made to do harm end in one line and exit code 1; nothing runs, nothing is written."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.clip import hostile, hostile_archives, hostile_headers  # noqa: F401 - they add to the corpus
from tests.project import ROOT

GIGABYTE = 1e9
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("hostile")
    canary = folder / "canary"
    canary.write_bytes(b"alive here ok...")
    done = subprocess.run(
        [sys.executable, "-m", "tests.clip.attack", str(folder)],
        cwd=ROOT,
        env={
            **os.environ,
            hostile.CANARY: str(canary),
            "OMP_NUM_THREADS": "1",
            "PYTHONDONTWRITEBYTECODE": "1",  # a module's first import would be a write
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert canary.read_bytes() == b"alive here ok..."
    lines = (json.loads(line) for line in done.stdout.splitlines() if line.startswith("{"))
    return list(lines)


def test_the_corpus_is_large(outcomes: list[dict[str, Any]]) -> None:
    assert len(outcomes) == len(hostile.TOWERS) + len(hostile.OFFICIAL) + len(hostile.LEARNT)
    assert len(outcomes) > 180


def test_each_is_refused_in_one_line(outcomes: list[dict[str, Any]]) -> None:
    for outcome in outcomes:
        name, output = outcome["name"], outcome["output"]
        assert outcome["code"] == 1, outcome
        assert output.startswith("error: "), outcome
        assert output.count("\n") == 1, outcome
        assert name in output or "methods." in output, outcome  # or the setting that does not fit the tower
        assert not CONTROL.search(output), outcome
        assert len(output) < 700, outcome


def test_nothing_runs_and_nothing_is_written(outcomes: list[dict[str, Any]]) -> None:
    assert [(outcome["name"], outcome["seen"]) for outcome in outcomes if outcome["seen"]] == []


def test_time_and_memory_stay_small(outcomes: list[dict[str, Any]]) -> None:
    for outcome in outcomes:
        assert outcome["grown"] < GIGABYTE / 4, outcome
        assert outcome["seconds"] < 10, outcome


@pytest.mark.filterwarnings("ignore:.*torch.jit.*")
def test_the_archive_that_writes_does_so_where_torch_loads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    canary = tmp_path / "canary"
    canary.write_bytes(bytes(16))
    monkeypatch.setenv(hostile.CANARY, str(canary))
    hostile_archives.writes_when_loaded(tmp_path / "a.pt")
    torch.jit.load(str(tmp_path / "a.pt"))  # type: ignore[no-untyped-call]
    assert canary.read_bytes() != bytes(16)
