"""One evaluation of a profile at a time."""

import sys
from pathlib import Path

import pytest

from pipeline.execution.run_lock import BusyError, only_run
from tests.project import Project

HOLD = """
import sys, time
from pipeline.execution.run_lock import only_run
with only_run("miniature"):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_second_run_is_told_and_a_killed_one_frees_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    project = Project(tmp_path)
    holder = project.start(sys.executable, "-c", HOLD)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with (
            pytest.raises(BusyError, match="another evaluation of the mini"),
            only_run("miniature"),
        ):
            pass
        with only_run("paper"):
            pass
    finally:
        project.stop()
    with only_run("miniature"):
        pass
