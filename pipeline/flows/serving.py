"""`zsad serve`: a Prefect server and the process that runs what is due, kept up together, on loopback.

Both are children with logs under `.prefect/`. A server that dies is started again at once, on the same
database: a run that is under way goes on and finds it back. Ctrl-C cancels that run as the Cancel button
does, waits for its end, and then ends both. The pages ask for a password, which is made for the life of the
service. Prefect is loaded in the children alone; its server gets plain requests. The runner, `python -m
pipeline.flows.serving CRON PARENT`, ends with its parent, and cancels its run then as when interrupted.
"""

import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, cast

import httpx

from pipeline.errors import ZsadError
from pipeline.files import only_one, write_private, write_text
from pipeline.flows.prefect_server import HOST, Server, listen
from pipeline.flows.processes import Kept
from pipeline.process import end_with

if TYPE_CHECKING:
    from prefect.deployments.runner import RunnerDeployment

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_POLL_SECONDS = 0.5
_STOP_SECONDS = 40  # Prefect's runner gives a run 30 before it kills it
_UNDER_WAY = ("PENDING", "RUNNING", "CANCELLING")


class ServeError(ZsadError):
    """`zsad serve` cannot start."""


@dataclass(frozen=True)
class Service:
    """What to serve. `home` is Prefect's folder, with the database, the logs and the way to the pages."""

    port: int
    cron: str
    home: Path = field(default_factory=lambda: Path(".prefect").resolve())

    @property
    def address(self) -> str:
        """Where the pages are."""
        return f"http://{HOST}:{self.port}"

    def start_server(self, listening: socket.socket) -> Server:
        """Prefect's server."""
        settings = {
            "PREFECT_SERVER_API_HOST": HOST,
            "PREFECT_SERVER_API_PORT": str(self.port),
            # The pages ask the server that they came from, so that they also work through a tunnel.
            "PREFECT_SERVER_UI_API_URL": "/api",
        }
        return Server(listening, log=self.home / "server.log", settings=settings)

    def start_runner(self, server: Server) -> Kept:
        """The process that starts what is due."""
        command = ["pipeline.flows.serving", self.cron, str(os.getpid())]
        return Kept("the runner", command, server.for_clients, self.home / "runner.log")


def serve(service: Service, say: Callable[[str], None]) -> None:
    """Keep server and runner up until SIGINT, SIGTERM or SIGHUP.

    Args:
        service: port, schedule and home.
        say: gets the lines that the user is to see.

    Raises:
        BusyError: one is running already.
        ServeError: the schedule cannot be read, or the port is taken.
        ServiceError: server or runner does not stay up.
    """
    _check_cron(service.cron)
    with _alone(service), _listening(service.port) as listening, ExitStack() as children:
        for number in _SIGNALS:
            signal.signal(number, _interrupt)
        try:
            _keep_up(service, listening, children, say)
        except KeyboardInterrupt:
            for number in _SIGNALS:
                signal.signal(number, signal.SIG_IGN)
            say("stopping: a run that is under way is cancelled, its finished cells are kept")


def _keep_up(
    service: Service, listening: socket.socket, children: ExitStack, say: Callable[[str], None]
) -> None:
    server = service.start_server(listening)
    children.callback(server.stop, _STOP_SECONDS)
    server.wait_until_up()
    # In the opposite order at the end: runs are cancelled by the runner, through the server.
    runner = service.start_runner(server)
    children.callback(runner.stop, _STOP_SECONDS)
    children.callback(_cancel_runs, server)
    page = children.enter_context(_way_in(service, server.secret))
    say(f"Prefect is at {service.address}, schedule {service.cron!r}; logs in {service.home}; Ctrl-C stops")
    say(f"its pages ask for a password: open {page} in a browser, which knows it")
    while True:
        time.sleep(_POLL_SECONDS)
        for child in (server, runner):
            if child.keep_up():
                say(f"{child.name} had ended and was started again: see {child.log}")


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


@contextmanager
def _alone(service: Service) -> Iterator[None]:
    """Be the only `zsad serve` of the project; `serve.txt` says where it is."""
    note = service.home / "serve.txt"
    where = note.read_text(encoding="utf-8").strip() if note.is_file() else "starting"
    message = f"zsad serve is running already ({where}): use that one, or end it first"
    with only_one(service.home / "serve.lock", message):
        write_text(note, f"process {os.getpid()}, {service.address}\n")
        try:
            yield
        finally:
            note.unlink(missing_ok=True)


def _check_cron(cron: str) -> None:
    from prefect.client.schemas.schedules import CronSchedule

    try:
        CronSchedule(cron=cron)
    except ValueError as error:
        raise ServeError(
            f"--cron {cron!r} cannot be read as a schedule: give minute, hour, day, month and weekday, "
            'such as "0 2 * * *"'
        ) from error


@contextmanager
def _listening(port: int) -> Iterator[socket.socket]:
    try:
        made = listen(port)
    except OSError as error:
        raise ServeError(
            f"port {port} cannot be used ({error.strerror}): end what uses it, or choose another: --port"
        ) from error
    with made:
        yield made


@contextmanager
def _way_in(service: Service, secret: str) -> Iterator[Path]:
    """Two files that nobody else can read: the password, and a page that opens Prefect's with it."""
    page, password = service.home / "open.html", service.home / "password"
    try:
        write_private(password, f"{secret}\n")
        write_private(
            page, f'<!doctype html><script>location.replace("{service.address}/open#{secret}")</script>\n'
        )
        yield page
    finally:
        page.unlink(missing_ok=True)
        password.unlink(missing_ok=True)


def _cancel_runs(server: Server) -> None:
    """Cancel the runs that the runner has under way, and wait for their end; no answer, nothing to cancel."""
    with suppress(httpx.HTTPError), server.client() as client:
        for run in _under_way(client):
            client.post(f"/flow_runs/{run}/set_state", json={"state": {"type": "CANCELLING"}})
        deadline = time.monotonic() + _STOP_SECONDS
        while _under_way(client) and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)


def _under_way(client: httpx.Client) -> list[str]:
    wanted = {"state": {"type": {"any_": _UNDER_WAY}}, "deployment_id": {"is_null_": False}}
    answer = client.post("/flow_runs/filter", json={"flow_runs": wanted}).raise_for_status()
    return [str(run["id"]) for run in answer.json()]


def run_due(cron: str) -> None:
    """Register both deployments with the server of `PREFECT_API_URL` and run what is due, until stopped.

    `nightly` has the schedule, `on-demand` is for the button. They share one place, so that never two runs
    want the one GPU and the one DVC project.
    """
    from prefect import serve as run_deployments
    from prefect.schedules import Cron
    from prefect.types.entrypoint import EntrypointType
    from tzlocal import get_localzone_name

    from pipeline.flows.benchmark import benchmark

    nightly = benchmark.to_deployment(
        "nightly",
        schedule=Cron(cron, timezone=get_localzone_name() or "UTC"),
        description="params.yaml as it stands, on a schedule",
        entrypoint_type=EntrypointType.MODULE_PATH,
    )
    on_demand = benchmark.to_deployment(
        "on-demand",
        description="the profile, methods and data sets that you choose; params.yaml as it stands for none",
        entrypoint_type=EntrypointType.MODULE_PATH,
    )
    # Called outside of any event loop, both are deployments and not coroutines.
    run_deployments(
        cast("RunnerDeployment", nightly),
        cast("RunnerDeployment", on_demand),
        limit=1,
        pause_on_shutdown=False,
        print_starting_message=False,
    )


if __name__ == "__main__":
    end_with(int(sys.argv[2]), lambda: os.kill(os.getpid(), signal.SIGINT))
    run_due(sys.argv[1])
