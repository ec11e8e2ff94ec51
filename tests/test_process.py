"""A run in a container is as wide as the container, and helpers end with the process that they help."""

import os
import subprocess
import sys
from math import inf
from pathlib import Path

import psutil
import pytest

from pipeline import process
from pipeline.doctor.machine import hardware
from pipeline.params import ComputeParams
from tests.project import ROOT, SECONDS, Project

GIB = 1 << 30
HELPED = """
import os, subprocess, sys
helper = subprocess.Popen([sys.executable, "-c", sys.argv[1], str(os.getpid())])
print(helper.pid, flush=True)
helper.wait()
"""
HELPER = """
import sys, time
from pipeline.process import end_with
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


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(process, "_ROOT", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(64)))
    return tmp_path


def put(root: Path, group: str, files: dict[str, str]) -> None:
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(group)
    for name, content in files.items():
        (root / "sys/fs/cgroup" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "sys/fs/cgroup" / name).write_text(content)


def test_without_groups_the_machine_counts(root: Path) -> None:
    assert process.processors() == 64
    assert process.memory() == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def test_the_least_of_a_groups_limits_and_those_above_it_counts(root: Path) -> None:
    files = {
        "cpu.max": "max 100000\n",
        "job/cpu.max": "250000 100000\n",
        "job/step/cpu.max": "400000 100000\n",
        "job/memory.max": "max\n",
        "job/step/memory.max": f"{2 * GIB}\n",
    }
    put(root, "0::/job/step\n", files)
    assert process.processors() == 2
    assert process.memory() == 2 * GIB


@pytest.mark.parametrize("visible", ["docker/abc/", ""])
def test_groups_of_version_1(root: Path, visible: str) -> None:
    """A container may see its own group as the topmost, under the name that it has outside."""
    files = {
        f"cpu,cpuacct/{visible}cpu.cfs_quota_us": "300000",
        f"cpu,cpuacct/{visible}cpu.cfs_period_us": "100000",
        f"memory/{visible}memory.limit_in_bytes": str(3 * GIB),
    }
    put(root, "4:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n0::/\n", files)
    assert process.processors() == 3
    assert process.memory() == 3 * GIB


@pytest.mark.parametrize(
    ("cpu", "memory"), [("-1 100000", "-1"), ("x y", "x"), ("", ""), ("0 0", "0"), ("50000 100000", "max")]
)
def test_what_is_no_limit_is_none_and_one_processor_is_the_least(root: Path, cpu: str, memory: str) -> None:
    put(root, "0::/\nnonsense\n", {"cpu.max": cpu, "memory.max": memory})
    assert process.processors() == (1 if cpu.startswith("5") else 64)
    assert process.memory() >= GIB


def test_workers_have_room(root: Path) -> None:
    put(root, "0::/\n", {"cpu.max": "800000 100000", "memory.max": str(3 * GIB)})
    assert ComputeParams(backend="ray").workers == 3
    assert ComputeParams(backend="ray", threads=2).workers == 1
    assert ComputeParams(backend="ray", cpus=8).workers == 8
    (found,) = [it for it in hardware(ComputeParams(backend="ray", cpus=8)) if it.name == "memory"]
    assert found.level == "note"
    assert found.text == "3.0 GiB for 8 workers, 1 GiB each is advised: lower compute.cpus"


@pytest.mark.parametrize(
    ("group", "file"), [("0::/job\n", "job/pids.max"), ("3:pids:/job\n", "pids/job/pids.max")]
)
def test_a_groups_limit_of_processes_is_read(root: Path, group: str, file: str) -> None:
    assert process.tasks() > 1000
    put(root, group, {file: "40\n"})
    assert process.tasks() == 40


def test_a_users_limit_of_processes_counts_but_for_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resource.getrlimit", lambda _which: (40, 40))
    for user, allowed in ((1000, 40), (0, inf)):
        monkeypatch.setattr(os, "getuid", lambda user=user: user)
        assert min(process.tasks(), 1e5) == min(allowed, 1e5)


STREAMS = """
import os, sys
from pipeline.process import open_standard_streams
open_standard_streams()
with open(sys.argv[1], "wb") as file:
    assert file.fileno() > 2
    print("said")
    sys.stderr.write("said")
    os.write(1, b"by a library")
    assert sys.stdin.read() == ""
"""


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_stream_that_is_closed_is_no_file_of_ours(tmp_path: Path, closed: str) -> None:
    command = f'"$0" -c "$1" "$2" </dev/null {closed}'
    subprocess.run(["sh", "-c", command, sys.executable, STREAMS, tmp_path / "file"], cwd=ROOT, check=True)
    assert (tmp_path / "file").read_bytes() == b""


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
