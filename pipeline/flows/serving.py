"""Cancel what a runner has under way, and wait until it is over: what the Cancel button does, for all runs.

By plain requests, because `zsad serve` itself does not load Prefect.


`zsad serve`: a Prefect server and the process that runs what is due, kept up together, on loopback.

Both are children with logs under `.prefect/`. A server that dies is started again at once, on the same
database: a run that is under way goes on and finds it back. Ctrl-C cancels that run, then ends both.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import httpx
from filelock import FileLock, Timeout

from pipeline.errors import ZsadError
from pipeline.files import write_text

_POLL_SECONDS = 0.5
_WAIT_SECONDS = 40  # Prefect's runner gives a run 30 before it kills it
_UNDER_WAY = ("PENDING", "RUNNING", "CANCELLING")


def cancel_served_runs(api: str) -> None:
    """Cancel the runs of deployments that are under way at the server `api`, and wait for their end.

    A server that does not answer has no runs to cancel.
    """
    with suppress(httpx.HTTPError), httpx.Client(base_url=api, timeout=5) as client:
        for run in _under_way(client):
            client.post(f"/flow_runs/{run}/set_state", json={"state": {"type": "CANCELLING"}})
        deadline = time.monotonic() + _WAIT_SECONDS
        while _under_way(client) and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)


def _under_way(client: httpx.Client) -> list[str]:
    wanted = {
        "flow_runs": {
            "state": {"type": {"any_": _UNDER_WAY}},
            "deployment_id": {"is_null_": False},
        }
    }
    answer = client.post("/flow_runs/filter", json=wanted).raise_for_status()
    runs: list[dict[str, Any]] = answer.json()
    return [str(run["id"]) for run in runs]


HOST = "127.0.0.1"
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_POLL_SECONDS = 0.5
_START_SECONDS = 90  # a new database on a busy machine
_STOP_SECONDS = 40  # a run that is cancelled has 30 (Prefect's runner)
_QUICK_SECONDS, _QUICK_ENDS = 30, 3  # a child that ends so soon, so often, will not stay up


class ServeError(ZsadError):
    """`zsad serve` cannot start, or cannot go on."""


@dataclass
class Child:
    """One process that is to stay up, in a group of its own so that Ctrl-C reaches it through us alone."""

    name: str
    command: list[str]
    environment: dict[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    quick_ends: int = 0

    def start(self) -> None:
        """Start it; its output goes to the end of its log."""
        self.started = time.monotonic()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - our own command
                self.command,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                process_group=0,
            )

    @property
    def up(self) -> bool:
        """Whether it runs."""
        return self.process is not None and self.process.poll() is None

    def keep_up(self) -> bool:
        """Start it again if it ended; say whether that was necessary.

        Raises:
            ServeError: it keeps ending as soon as it is started.
        """
        if self.up:
            return False
        self.quick_ends = self.quick_ends + 1 if time.monotonic() - self.started < _QUICK_SECONDS else 0
        if self.quick_ends >= _QUICK_ENDS:
            raise ServeError(f"{self.name} keeps ending: see {self.log}")
        self.start()
        return True

    def stop(self) -> None:
        """Ask it to end, wait, and kill it if it does not."""
        if self.process is None or not self.up:
            return
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


@dataclass(frozen=True)
class Service:
    """A server and its runner on one port. `home` is Prefect's folder, with the database and the logs."""

    port: int
    cron: str
    home: Path = field(default_factory=lambda: Path(".prefect").resolve())

    @property
    def address(self) -> str:
        """Where the pages are."""
        return f"http://{HOST}:{self.port}"

    def server(self) -> Child:
        """Prefect's server."""
        settings = {
            "PREFECT_SERVER_API_HOST": HOST,
            "PREFECT_SERVER_API_PORT": str(self.port),
            # The pages ask the server that they came from, so that they also work through a tunnel.
            "PREFECT_SERVER_UI_API_URL": "/api",
        }
        command = [sys.executable, "-m", "prefect", "server", "start"]
        return Child("Prefect's server", command, os.environ | settings, self.home / "server.log")

    def runner(self) -> Child:
        """The process that starts what is due."""
        command = [sys.executable, "-m", "pipeline.flows.deployments", self.cron]
        settings = {"PREFECT_API_URL": f"{self.address}/api"}
        return Child("the runner", command, os.environ | settings, self.home / "runner.log")


def serve(service: Service, say: Callable[[str], None]) -> None:
    """Keep server and runner up until SIGINT, SIGTERM or SIGHUP.

    Args:
        service: port, schedule and home.
        say: gets the lines that the user is to see.

    Raises:
        ServeError: one is running already, the schedule is none, the port is taken, or a child does not
            stay up.
    """
    _check_cron(service.cron)
    service.home.mkdir(parents=True, exist_ok=True)
    with _only_one(service), ExitStack() as children:
        _check_port(service.port)
        # SIGINT too: a program in the background of a script inherits it ignored, and so would its children.
        for number in _SIGNALS:
            signal.signal(number, _interrupt)
        try:
            _keep_up(service, children, say)
        except KeyboardInterrupt:
            for number in _SIGNALS:
                signal.signal(number, signal.SIG_IGN)
            say("stopping: a run that is under way is cancelled, its finished cells are kept")


def _keep_up(service: Service, children: ExitStack, say: Callable[[str], None]) -> None:
    server, runner = service.server(), service.runner()
    children.callback(server.stop)
    server.start()
    _wait_until_up(service, server)
    # In the opposite order at the end: runs are cancelled by the runner, through the server.
    children.callback(runner.stop)
    runner.start()
    children.callback(cancel_served_runs, f"{service.address}/api")
    say(f"Prefect is at {service.address}, schedule {service.cron!r}; logs in {service.home}; Ctrl-C stops")
    while True:
        time.sleep(_POLL_SECONDS)
        for child in (server, runner):
            if child.keep_up():
                say(f"{child.name} had ended and was started again: see {child.log}")


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


@contextmanager
def _only_one(service: Service) -> Iterator[None]:
    lock = FileLock(service.home / "serve.lock", blocking=False)
    note = service.home / "serve.txt"
    try:
        lock.acquire()
    except Timeout as error:
        where = note.read_text(encoding="utf-8").strip() if note.is_file() else "starting"
        raise ServeError(f"zsad serve is running already ({where}): use that one, or end it first") from error
    try:
        write_text(note, f"process {os.getpid()}, {service.address}\n")
        yield
    finally:
        note.unlink(missing_ok=True)
        lock.release()


def _check_cron(cron: str) -> None:
    from prefect.client.schemas.schedules import CronSchedule

    try:
        CronSchedule(cron=cron)
    except ValueError as error:
        raise ServeError(
            f'--cron {cron!r} is no schedule: give minute, hour, day, month and weekday, such as "0 2 * * *"'
        ) from error


def _check_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise ServeError(
                f"port {port} cannot be used ({error.strerror}): end what uses it, or choose another: --port"
            ) from error


def _wait_until_up(service: Service, server: Child) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if not server.up:
            break
        try:
            httpx.get(f"{service.address}/api/health", timeout=2).raise_for_status()
        except httpx.HTTPError:
            time.sleep(_POLL_SECONDS)
        else:
            return
    raise ServeError(f"{server.name} did not come up: see {server.log}")
