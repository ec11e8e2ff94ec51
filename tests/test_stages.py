"""Stages typed by hand, and how they end."""

import errno
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from pipeline.errors import ParamsError, ZsadError
from pipeline.execution.training import Trainer
from pipeline.params import load_params
from stages.entry import named, stage
from tests.project import ROOT, Project


def test_prepare_loads_no_engine_and_no_http_client() -> None:
    """It is a process for every data set."""
    command = [sys.executable, "-c", "import sys, stages.prepare; print(*sys.modules)"]
    loaded = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert {"httpx", "prefect", "ray", "torch"} & set(loaded.stdout.split()) == set()


@pytest.fixture
def _handlers() -> Iterator[None]:
    """`stage` sets handlers of signals; a test gives them back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("typed", [[], ["mvtec", "visa"]])
def test_a_stage_of_one_data_set_says_which_it_wants(
    typed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["/somewhere/stages/prepare.py", *typed])
    with pytest.raises(ZsadError, match=r"which data set\? `python -m stages\.prepare NAME`"):
        named("data set")
    monkeypatch.setattr(sys, "argv", ["/somewhere/stages/prepare.py", "mvtec"])
    assert named("data set") == "mvtec"


@pytest.mark.parametrize("address", ["prepare@mvtec", "../dvc.yaml:prepare_own@mvtec"])
def test_without_a_name_it_is_that_of_the_stage_that_dvc_runs(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["/somewhere/stages/prepare.py"])
    monkeypatch.setenv("DVC_STAGE", address)
    assert named("data set") == "mvtec"


def test_an_auxiliary_set_that_params_do_not_name_is_refused(project: Project) -> None:
    with pytest.raises(ParamsError, match=r"auxiliaries: 'headct' is not among them; there are btad, sdd"):
        Trainer(load_params(), "headct")


@pytest.mark.usefixtures("_handlers")
@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (ZsadError("no room"), "error: no room"),
        (
            OSError(errno.ENOSPC, "No space left", "a.csv"),
            "error: a.csv: No space left; make room, of bytes (`df -h`) or of files (`df -i`)",
        ),
        (
            OSError(errno.EROFS, "Read-only", "a"),
            "error: a: Read-only; put it on a file system that can be written",
        ),
        (
            OSError("no answer"),
            "error: OSError: no answer; run it again; if it stays, look at the system's log",
        ),
        (KeyboardInterrupt(), 130),
    ],
)
def test_the_end_of_a_stage_is_one_line_and_an_exit_code(raised: BaseException, code: object) -> None:
    def run() -> None:
        raise raised

    with pytest.raises(SystemExit) as caught:
        stage(run)
    assert caught.value.code == code


ORPHAN = """
import os, sys, time
from stages.entry import stage

def run():
    print(os.getpid(), flush=True)
    time.sleep(60)

stage(run)
"""
PARENT = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"


@pytest.mark.parametrize(("by_dvc", "ends"), [(True, True), (False, False)])
def test_a_stage_ends_with_its_dvc_and_one_that_was_typed_goes_on(
    by_dvc: bool, ends: bool, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    if by_dvc:
        monkeypatch.setenv("DVC_STAGE", "evaluate")
    else:
        monkeypatch.delenv("DVC_STAGE", raising=False)
    parent = project.start(sys.executable, "-c", PARENT, ORPHAN)
    assert parent.stdout is not None
    orphan = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    try:
        orphan.wait(3)
    except psutil.TimeoutExpired:
        assert not ends
        orphan.kill()
    else:
        assert ends


_HARD_OF_HEARING = """
import time
from stages.entry import stage

def run():
    print("up", flush=True)
    while True:
        try:
            time.sleep(0.1)
        except OSError:  # as a client does that tries again
            pass

stage(run)
"""


def test_an_interrupted_stage_ends_where_nobody_reads_what_it_says() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _HARD_OF_HEARING], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"up\n"
        process.stderr.close()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 130


def test_a_python_without_our_environment_hands_over_to_the_projects(tmp_path: Path) -> None:
    (tmp_path / "stages").symlink_to(ROOT / "stages")
    bare = [sys.executable, "-S", "-m", "stages.prepare", "btad"]
    told = subprocess.run(bare, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert told.returncode == 1
    assert "has no zsad installed: put the environment that has it on the PATH" in told.stderr
    own = tmp_path / ".venv" / "bin" / "python"
    own.parent.mkdir(parents=True)
    own.write_text('#!/bin/sh\necho "$PATH" "$@"\n')
    own.chmod(0o755)
    gone_on = subprocess.run(bare, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert gone_on.stdout.startswith(str(own.parent))
    assert gone_on.stdout.rstrip().endswith("-S -m stages.prepare btad")
