"""Something dies every few seconds through a whole miniature run; not a byte of any output differs.

Outputs are those of all stages: data, trained weights, rows, scores, examples, tables and report. They are
held against an undisturbed run on the same machine, because another processor rounds otherwise.
"""

import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.doctor.stored import stored_files
from pipeline.execution.store import CellStore
from pipeline.params import load_params
from tests.e2e.killing import KINDS, MARK, Killer, marked
from tests.project import ROOT, Project, read_log

SEED = int(os.environ.get("ZSAD_SOAK_SEED", "20240311"))
SECONDS = 1200
CELLS = 432
LEFT_OUT = ("dvc.lock", "docs/", "results/", "tests/")  # what was made, and what no stage needs

pytestmark = [pytest.mark.e2e, pytest.mark.soak, pytest.mark.ray, pytest.mark.timeout(3 * SECONDS)]


def whole_project(folder: Path) -> Project:
    """The project as git has it, without anything that was made."""
    made = Project(folder)
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True)
    for name in filter(None, listed.stdout.split("\0")):
        if not name.startswith(LEFT_OUT):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    made.run("git", "init", "-q")
    return made


@pytest.fixture
def undisturbed(tmp_path: Path) -> dict[str, str]:
    """The outputs of a run in which nothing dies."""
    made = whole_project(tmp_path / "undisturbed")
    log = tmp_path / "undisturbed.log"
    with log.open("w") as output:
        process = made.start("dvc", "repro", output=output)
        code = process.wait(SECONDS)
    made.stop()
    assert code == 0, log.read_text()
    return outputs(made.folder / "dvc.lock")


@pytest.fixture
def miniature(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """The project that is disturbed; the current directory of the test."""
    made = whole_project(tmp_path / "project")
    monkeypatch.chdir(made.folder)
    monkeypatch.setenv(MARK, str(made.folder))
    yield made
    made.stop()
    for _, process in marked(str(made.folder)):
        process.kill()


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Print at once, whether or not the test passes."""

    def write(text: str) -> None:
        with capsys.disabled():
            sys.stdout.write(f"{text}\n")
            sys.stdout.flush()

    return write


def outputs(lock: Path) -> dict[str, str]:
    """Digest of every output of every stage."""
    stages: dict[str, Any] = yaml.safe_load(lock.read_text())["stages"]
    return {out["path"]: out["md5"] for stage in stages.values() for out in stage["outs"]}


def finished_cells() -> Counter[str]:
    """How often each cell was computed, by its key."""
    logs = [read_log(path) for path in Path(".zsad/runs").glob("*.jsonl")]
    return Counter(line["key"] for log in logs for line in log if line["event"] == "cell_finished")


def test_whatever_dies_the_outputs_are_those_of_an_undisturbed_run(
    undisturbed: dict[str, str], miniature: Project, say: Callable[[str], None]
) -> None:
    say(f"\nZSAD_SOAK_SEED={SEED}")
    killer = Killer(SEED, str(miniature.folder), say)
    started = time.monotonic()
    log = miniature.folder.with_name("repro.log")
    code: int | None = None
    while code != 0:
        with log.open("a") as output:
            process = miniature.start("dvc", "repro", output=output)
            while (code := process.poll()) is None:
                assert time.monotonic() < started + SECONDS, log.read_text()[-5000:]
                killer.step(process)
        say(f"dvc repro ended with {code}")
        lock = miniature.folder / "dvc.lock"
        if code and lock.exists() and not lock.stat().st_size:  # docs/footguns.md
            say("dvc.lock was being written")
            lock.unlink()
    say(f"{time.monotonic() - started:.0f} s; killed: {dict(Counter(killer.kills))}")
    assert len(killer.kills) >= 10
    assert set(KINDS) == set(killer.kills)
    assert outputs(miniature.folder / "dvc.lock") == undisturbed
    assert "up to date" in miniature.run("dvc", "status")
    rows = miniature.rows()
    assert [row.status for row in rows] == ["ok"] * CELLS
    assert len({row.key for row in rows}) == CELLS
    whole, damaged, _ = CellStore().audit()
    assert (whole, damaged) == (CELLS, [])
    assert finished_cells().most_common(1)[0][1] == 1, "a finished cell was computed again"
    assert not [it for it in stored_files(load_params(), repair=False) if it.level == "problem"]
    deadline = time.monotonic() + 30
    while left := [name for name, _ in marked(str(miniature.folder)) if "ray" not in name]:
        assert time.monotonic() < deadline, left
        time.sleep(1)
    assert "Traceback" not in log.read_text()
