"""A run does as it should whatever home, temporary folder, language, clock, umask or proxy it is given."""

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.test_faults import EVALUATE
from tests.execution.running import CELLS, use_plain_methods
from tests.project import SECONDS, Project

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(2 * SECONDS)]

NOWHERE = "http://127.0.0.1:9"
PROXIES = dict.fromkeys(("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"), NOWHERE)
ODD: dict[str, str | None] = {
    **PROXIES,
    "all_proxy": "socks5://127.0.0.1:9",
    "no_proxy": None,
    "NO_PROXY": None,
    "HOME": "/proc/nowhere",
    "XDG_CACHE_HOME": None,
    "TMPDIR": "/nonexistent",
    "LC_ALL": "C",
    "TZ": "Nowhere/None",
    "RAY_ADDRESS": "",
    "PREFECT_API_URL": "",
    "PREFECT_SERVER_API_AUTH_STRING": "other:one",
    "PREFECT_SERVER_DATABASE_CONNECTION_URL": "sqlite+aiosqlite:////nonexistent/other.db",
    "PREFECT_SERVER_API_BASE_PATH": "/elsewhere",
    "PREFECT_MESSAGING_BROKER": "nowhere",
    "PREFECT_PROFILE": "nobody",
    "PYTHONSTARTUP": "/nonexistent.py",
    "SSL_CERT_FILE": "/nonexistent.pem",
}


def run_in(
    project: Project,
    changes: dict[str, str | None],
    before: Callable[[], object] | None = None,
    command: tuple[str, ...] = EVALUATE,
) -> tuple[int, str]:
    """Exit code and output of a command with a changed environment, after `before` in its process."""
    tools = Path(sys.executable).parent
    environment = os.environ | {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"}
    for name in ("PREFECT_HOME", "PYTHONDONTWRITEBYTECODE"):
        environment.pop(name, None)
    for name, value in changes.items():
        environment.pop(name, None)
        if value is not None:
            environment[name] = value
    done = subprocess.run(
        command,
        cwd=project.folder,
        env=environment,
        preexec_fn=before,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


# Compiles every library again, which in a new environment takes longer than the run.
WITHOUT_ASSERTIONS: dict[str, str | None] = {"PYTHONOPTIMIZE": "1"}


@pytest.mark.soak
def test_dvc_in_odd_surroundings(project: Project) -> None:
    """As `dvc repro` asks for a stage, without home, language or temporary folder, with a narrow umask."""
    project.init_dvc()
    command = ("dvc", "repro", "prepare@headct")
    odd = ODD | WITHOUT_ASSERTIONS | {"PYTHONIOENCODING": "ascii"}
    code, said = run_in(project, odd, lambda: os.umask(0o077), command)
    assert code == 0, said
    assert "prepare headct: 1 of 1 subsets" in said


@pytest.mark.parametrize(
    "further", [{}, pytest.param(WITHOUT_ASSERTIONS, marks=pytest.mark.soak)], ids=["", "optimised"]
)
def test_a_run_in_odd_surroundings(trained: Project, further: dict[str, str | None]) -> None:
    """Ray in such has a test of its own (`tests/execution/test_cluster.py`)."""
    use_plain_methods(trained)
    code, said = run_in(trained, ODD | further, lambda: os.umask(0))
    assert code == 0, said
    assert f"cells: {CELLS} run, 0 reused, 0 failed: complete" in said
    assert "Traceback" not in said
    assert stat.S_IMODE((trained.folder / ".prefect").stat().st_mode) == 0o700
