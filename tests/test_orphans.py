"""Helpers end with the process that they help, also when that one is killed."""

import sys

import psutil
import pytest

from tests.project import SECONDS, Project

HELPED = """
import os, subprocess, sys
helper = subprocess.Popen([sys.executable, "-c", sys.argv[1], str(os.getpid())])
print(helper.pid, flush=True)
helper.wait()
"""
HELPER = """
import sys, time
from pipeline.orphans import end_with
end_with(int(sys.argv[1]))
time.sleep(100)
"""
PLANS = """
from multiprocessing import active_children
from threading import Thread
import time
from pipeline import speed

def say():
    while not active_children():
        time.sleep(0.05)
    print(active_children()[0].pid, flush=True)


if __name__ == "__main__":
    Thread(target=say, daemon=True).start()
    speed._measured(None)
"""


def killed(project: Project, *command: str) -> psutil.Process:
    """The helper whose number `command` says, after that one was killed."""
    parent = project.start(sys.executable, *command)
    assert parent.stdout is not None
    helper = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    return helper


def test_a_helper_ends_with_its_parent(project: Project) -> None:
    killed(project, "-c", HELPED, HELPER).wait(5)


@pytest.mark.timeout(SECONDS)
def test_the_process_that_measures_for_plan_ends_with_it(project: Project) -> None:
    (project.folder / "plans.py").write_text(PLANS)
    helper = killed(project, "plans.py")
    helper.wait(30)
