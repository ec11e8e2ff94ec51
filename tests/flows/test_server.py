"""A flow's result does not depend on Prefect's server: it dies early or late, or was never there."""

import shutil
import sys
import time
from pathlib import Path
from socket import socket
from uuid import uuid4

import psutil
import pytest

from pipeline.flows.sub_runs import PARENT_VARIABLE
from tests.project import Project

pytestmark = [pytest.mark.prefect]

SCRIPT = """
import sys
import threading
import time

import psutil
from prefect import flow
from pipeline.flows import prefect_server, sub_runs

sub_runs._PARENT_SECONDS = 1

def servers():
    children = psutil.Process().children(recursive=True)
    return [child for child in children if "pipeline.flows.prefect_server" in child.cmdline()]

def kill(when):
    while not (found := servers()):
        time.sleep(0.05)
    for server in found:
        server.kill()
    print("servers killed", when, len(found))

@flow(name="lonely", validate_parameters=False)
def lonely(number):
    if "inside" in sys.argv:
        kill("inside")
    if "wait" in sys.argv:
        print("server:", *[server.pid for server in servers()], flush=True)
        time.sleep(60)
    return number + 1

if "between" in sys.argv:
    whole = prefect_server.Server.wait_until_up
    def kill_once(*given):
        whole(*given)
        prefect_server.Server.wait_until_up = whole
        kill("between")
    prefect_server.Server.wait_until_up = kill_once
if "early" in sys.argv:
    threading.Thread(target=kill, args=["early"]).start()
print("result:", sub_runs.run_in_parent(lonely, number=1))
"""


@pytest.fixture
def project(tmp_path: Path, prefect_home: Path) -> Project:
    folder = tmp_path / "100% a?b#c @d"  # none of it may be read as a part of an address
    shutil.copytree(prefect_home, folder / ".prefect")
    return Project(folder)


def test_the_result_is_there_without_the_server(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_CLIENT_MAX_RETRIES", "1")
    monkeypatch.setenv(PARENT_VARIABLE, str(uuid4()))
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    output = project.run(sys.executable, "-c", SCRIPT, "inside")
    project.stop()
    assert "servers killed inside 1" in output
    assert "result: 2" in output


def test_an_address_at_which_nobody_answers_is_told_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prefect asks for a minute or more, three times over."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    from pipeline.flows import server

    monkeypatch.setattr(server, "_ANSWER_SECONDS", 0.5)
    with socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        for port in (9, silent.getsockname()[1]):
            address = f"http://127.0.0.1:{port}/api"
            told = (
                f"nobody answers at PREFECT_API_URL={address} .*: start Prefect's server there, or unset it"
            )
            with (
                temporary_settings({PREFECT_API_URL: address}),
                pytest.raises(server.ServerGoneError, match=told),
                server.some_server(),
            ):
                pass


def test_a_server_that_dies_again_and_again_is_started_anew(project: Project) -> None:
    started = time.monotonic()
    output = project.run(sys.executable, "-c", SCRIPT, "early", "between", "inside")
    project.stop()
    for when in ("early", "between", "inside"):
        assert f"servers killed {when} 1" in output
    assert "result: 2" in output
    assert time.monotonic() - started < 110  # Prefect alone would give up after two minutes
    assert [path.name for path in project.folder.parent.iterdir()] == [project.folder.name]


def test_a_server_ends_with_its_run_however_that_ends(project: Project) -> None:
    process = project.start(sys.executable, "-c", SCRIPT, "wait")
    assert process.stdout is not None
    line = next(line for line in process.stdout if line.startswith("server:"))
    server = psutil.Process(int(line.split()[-1]))
    process.kill()
    server.wait(10)
    project.stop()
