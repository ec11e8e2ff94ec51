"""A flow's result does not depend on Prefect's server: it dies during the run, or was never there."""

import sys
from pathlib import Path
from uuid import uuid4

import pytest

from pipeline.flows.stages import PARENT_VARIABLE
from tests.project import Project

pytestmark = [pytest.mark.prefect]

SCRIPT = """
import psutil
from prefect import flow
from pipeline.flows import stages

stages._PARENT_SECONDS = 1

@flow(name="lonely", validate_parameters=False)
def lonely(number):
    servers = [c for c in psutil.Process().children(recursive=True) if "uvicorn" in " ".join(c.cmdline())]
    print("servers killed:", len(servers))
    for server in servers:
        server.kill()
    return number + 1

print("result:", stages.run_in_parent(lonely, number=1))
"""


def test_the_result_is_there_without_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_CLIENT_MAX_RETRIES", "1")
    monkeypatch.setenv(PARENT_VARIABLE, str(uuid4()))
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    project = Project(tmp_path)
    output = project.run(sys.executable, "-c", SCRIPT)
    project.stop()
    assert "servers killed: 1" in output
    assert "result: 2" in output
