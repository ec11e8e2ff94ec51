"""A run's own Ray: closed to other accounts, and started on machines that are not as Ray wants them."""

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.execution import cluster
from pipeline.execution.cluster import ClusterError, local_ray
from pipeline.params import ComputeParams
from tests.project import Project
from tests.second_user import as_nobody

pytestmark = pytest.mark.ray

COMPUTE = ComputeParams(backend="ray", cpus=1)
STAYS_UP = """
import time
import pipeline.execution
import ray
from pipeline.execution.cluster import local_ray
from pipeline.params import ComputeParams
with local_ray(ComputeParams(backend="ray", cpus=1)):
    assert ray.get(ray.remote(lambda: 42).remote()) == 42
    folder = ray._private.worker._global_node.get_session_dir_path()
    print("up", ray.get_runtime_context().gcs_address, folder, flush=True)
    time.sleep(300)
"""
REACHES = """
try:
    print(GcsClient(address=sys.argv[1]).internal_kv_put(b"k", b"v", True, b"fun", 10))
except Exception as error:
    print(type(error).__name__)
print(any(os.access(path, mode) for path in sys.argv[2:] for mode in (os.R_OK, os.W_OK, os.X_OK)))
"""


def test_another_account_gets_in_nowhere_and_the_environment_does_not_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("a-long-name-" * 8)
    long.mkdir()
    monkeypatch.setenv("TMPDIR", str(long))
    monkeypatch.setenv("HOME", "/proc/nowhere")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("RAY_ADDRESS", "")
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.delenv("RAY_AUTH_TOKEN", raising=False)
    project = Project(tmp_path)
    process = project.start(sys.executable, "-c", STAYS_UP)
    try:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line.startswith("up "):
                break
        assert lines[-1].startswith("up "), "".join(lines)
        _, address, folder = lines[-1].split()
        closed = Path(folder).parents[1]
        assert stat.S_IMODE(closed.stat().st_mode) == 0o700
        sockets = [str(path) for path in Path(folder, "sockets").iterdir()]
        assert sockets
        told = as_nobody(
            "import os, sys\nfrom ray._raylet import GcsClient", REACHES, address, folder, *sockets
        )
        assert told.split() == ["AuthenticationError", "False"]
    finally:
        project.stop()


@pytest.mark.parametrize(("address", "mode"), [("", "token"), ("local", "token"), ("auto", "disabled")])
def test_who_names_no_cluster_gets_a_closed_one(
    monkeypatch: pytest.MonkeyPatch, address: str, mode: str
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", address)
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    code = "import os, pipeline.execution; print(os.environ['RAY_AUTH_MODE'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == mode


def test_a_start_that_failed_is_tried_again_and_then_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    tried: list[object] = []

    def init(**options: object) -> None:
        tried.append(options)
        raise Exception("The current node timed out during startup.\nThis could happen because")

    monkeypatch.setattr("ray.init", init)
    monkeypatch.setattr(cluster, "_PAUSE_SECONDS", 0)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with (
        pytest.raises(ClusterError, match=r"timed out during startup\.; tried 3 times\): wait until"),
        local_ray(COMPUTE),
    ):
        pass
    assert len(tried) == 3
    assert capsys.readouterr().err.count("trying again") == 2


def test_too_few_processes_are_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray waits for minutes, three times, for a file that its own process cannot write."""
    monkeypatch.setattr(cluster, "tasks", lambda: 40)
    with (
        pytest.raises(ClusterError, match=r"no more than 40 processes.*ulimit -u.*compute.backend to serial"),
        local_ray(COMPUTE),
    ):
        pass


def test_the_folder_of_a_session_is_ours_alone_and_gone_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", "/var/tmp")  # noqa: S108 - short
    with cluster._session_folder() as folder:
        folder.mkdir()
        assert folder.parent.parent == Path("/var/tmp")  # noqa: S108
        assert stat.S_IMODE(folder.parent.stat().st_mode) == 0o700
    assert not folder.parent.exists()


def test_without_a_short_place_it_says_what_to_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / ("y" * 40)))
    monkeypatch.setattr(cluster, "_ELSEWHERE", ())
    with pytest.raises(ClusterError, match="set TMPDIR"), cluster._session_folder():
        pass
