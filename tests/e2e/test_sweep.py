"""A system call that fails is one line, nothing wrong is kept, and the next run ends with the right bytes."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.project import ROOT

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(shutil.which("cc") is None, reason="NO FAULT IS INJECTED: there is no C compiler"),
    pytest.mark.skipif(sys.platform != "linux", reason="NO FAULT IS INJECTED: preloading is Linux's"),
]


def swept(folder: Path, most: int, *steps: str) -> list[dict[str, Any]]:
    """One outcome per fault."""
    library = folder / "faults.so"
    source = ROOT / "tests" / "e2e" / "faults.c"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    done = subprocess.run(
        [sys.executable, "-m", "tests.e2e.sweep", str(library), str(folder), str(most), *steps],
        cwd=ROOT,
        env={**os.environ, "LD_PRELOAD": str(library), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def judge(outcomes: list[dict[str, Any]]) -> None:
    assert sum(outcome["met"] for outcome in outcomes) > 0.8 * len(outcomes)
    for outcome in outcomes:
        said = outcome["said"]
        assert "Traceback" not in said, outcome
        lines = [line for line in said.splitlines() if line.startswith(("error: ", "left out: "))]
        assert len(lines) == bool(outcome["code"]), outcome
        assert outcome["code"] in (0, 1), outcome
        assert outcome["code"] or outcome["right"], outcome
        assert outcome["again"] == 0, outcome
        assert outcome["right_again"], outcome


SAMPLED = (
    "prepare=read,write",
    "score=write",
    "download=open,read,fsync",
    "add=rename",
    "train=read",
    "evaluate=rename",
    "tables=mkdir",
    "report=write",
)


def test_faults_in_every_stage(tmp_path: Path) -> None:
    judge(swept(tmp_path, 1, *SAMPLED))


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_many_faults_in_every_stage(tmp_path: Path) -> None:
    outcomes = swept(tmp_path, 40)
    judge(outcomes)
    right = sum(not outcome["code"] or outcome["right_again"] for outcome in outcomes)
    print(f"{len(outcomes)} faults, {right} right in the end")  # noqa: T201
