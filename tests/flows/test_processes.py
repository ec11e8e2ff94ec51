"""A command is streamed, and ended for good when the run stops."""

import subprocess
import sys
import time
from collections import deque
from pathlib import Path
from socket import socket

import httpx
import psutil
import pytest

from pipeline.flows import processes
from pipeline.flows.processes import Kept, ServiceError, stream
from tests.flows.served import free_port

WAITS = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)"], stderr=subprocess.DEVNULL)
try:
    print(child.pid, flush=True)
    time.sleep(100)
except KeyboardInterrupt:
    print("interrupted", flush=True)
    child.wait()
"""
DEAF = (
    "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); print(0, flush=True); time.sleep(100)"
)


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path / "command.py"


def is_gone(pid: int) -> bool:
    """Ended, whether somebody has asked for its exit code or not."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.1)
    return False


def test_lines_and_exit_code_and_environment(module: Path) -> None:
    module.write_text("import os, sys; print(os.environ['ONE']); print('two', file=sys.stderr); sys.exit(3)")
    lines: list[str] = []
    assert stream(["command"], {"ONE": "one"}, lines.append) == 3
    assert sorted(lines) == ["one", "two"]


def test_a_stopped_command_is_interrupted_with_its_children(module: Path) -> None:
    module.write_text(WAITS)
    lines: list[str] = []
    started = time.monotonic()
    stream(["command"], {}, lines.append, stopped=lambda: bool(lines))
    assert time.monotonic() - started < 8
    assert "interrupted" in lines
    assert is_gone(int(lines[0]))


def test_who_does_not_listen_is_killed(module: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module.write_text(DEAF)
    monkeypatch.setattr(processes, "_GRACE_SECONDS", 1)
    lines: list[str] = []
    assert stream(["command"], {}, lines.append, stopped=lambda: bool(lines)) == -9


def test_an_exception_ends_it_too(module: Path) -> None:
    module.write_text(WAITS)

    def fail(line: str) -> None:
        pids.append(int(line))
        raise KeyboardInterrupt

    pids: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        stream(["command"], {}, fail)
    assert is_gone(pids[0])


def test_a_command_ends_with_who_started_it_however_that_ends(module: Path) -> None:
    module.write_text(DEAF.replace("print(0", "import os; print(os.getpid()"))
    code = (
        "from pipeline.flows.processes import stream; stream(['command'], {}, lambda it: print(it, flush=1))"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as started:
        assert started.stdout is not None
        pid = int(started.stdout.readline())
        started.kill()
    assert is_gone(pid)


def test_a_service_that_cannot_start_is_given_up_and_says_where_its_reason_is(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "service.log"
    service = Kept("the service", ["no_such_module"], {}, log)
    with pytest.raises(ServiceError, match=f"the service keeps ending: see {log}"):
        service.wait_until_it_answers("http://127.0.0.1:9")
    assert "No module named no_such_module" in log.read_text()


SLOW = """
import http.server, sys, time
time.sleep(1.5)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), http.server.SimpleHTTPRequestHandler).serve_forever()
"""


def test_a_service_that_starts_slowly_is_waited_for_and_said_so(
    module: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(processes, "_NOTICE_SECONDS", 0.5)
    module.write_text(SLOW)
    port = free_port()
    service = Kept("the service", ["command", str(port)], {}, module.parent / "log")
    try:
        service.wait_until_it_answers(f"http://127.0.0.1:{port}/")
        assert capfd.readouterr().err.startswith("the service is not up after 1 s; waiting for it\n")
        monkeypatch.setattr(processes, "_START_SECONDS", 0.2)
        with pytest.raises(ServiceError, match=r"the service did not come up at .* in 0.2 s: see .*log"):
            service.wait_until_it_answers(f"http://127.0.0.1:{free_port()}/")
    finally:
        service.stop(5)


def test_a_service_that_ends_is_started_again_and_ended_for_good(module: Path) -> None:
    module.write_text("import time; print('here', flush=True); time.sleep(100)")
    log = module.parent / "service.log"
    service = Kept("the service", ["command"], {}, log)
    while log.read_text().count("here") < 1:
        time.sleep(0.05)
    assert not service.keep_up()
    first = service.pid
    psutil.Process(first).kill()
    assert is_gone(first)
    assert service.keep_up()
    second = service.pid
    assert second != first
    service.stop(5)
    assert is_gone(second)


def test_a_service_that_somebody_stopped_is_started_again_unless_it_goes_on_soon(
    module: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prefect waits a minute for the answer to each request."""
    monkeypatch.setattr(processes, "_STOPPED_SECONDS", 0.5)
    module.write_text("import time; time.sleep(100)")
    service = Kept("the service", ["command"], {}, module.parent / "log")
    process = psutil.Process(service.pid)

    def turn(*, stopped: bool) -> None:
        (process.suspend if stopped else process.resume)()
        while (process.status() == psutil.STATUS_STOPPED) != stopped:
            time.sleep(0.01)

    turn(stopped=True)
    assert not service.keep_up()
    turn(stopped=False)
    assert not service.keep_up()
    time.sleep(0.6)
    turn(stopped=True)
    assert not service.keep_up()  # it had gone on in between
    time.sleep(0.6)
    assert service.keep_up()
    assert is_gone(process.pid)
    service.stop(5)


def test_who_asks_a_service_that_was_given_up_is_told_at_once(module: Path) -> None:
    """Prefect asks a socket that is closed for a minute, for every event of a run."""
    module.write_text("import os, sys; os.set_blocking(int(sys.argv[1]), False)")  # as asyncio does
    with socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        url = "http://{}:{}/".format(*listening.getsockname())
        command = ["command", str(listening.fileno())]
        service = Kept("the service", command, {}, module.parent / "log", listening)
        with pytest.raises(ServiceError, match="keeps ending"):
            deque(iter(service.keep_up, None), 0)  # until it is given up
        for _ in range(2):
            assert httpx.get(url, trust_env=False, timeout=5).status_code == httpx.codes.GONE
