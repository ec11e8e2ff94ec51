"""Prefect's server, seen from a run: it may be away for a while, and then it must not cost the run.

A server of its own for a run that nobody serves.

Prefect would start one too, but never look at it again: one that dies as it starts holds the run up for two
minutes and then ends it, one that dies later costs a minute a request, and one whose run is killed stays for
ever. Here it is started again at once, on the same port and database, and ends with its run.
"""

import atexit
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from threading import Event, Thread

import httpx
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from pipeline.errors import ZsadError

_PREFECTS_OWN_WORDS = "Failed to reach API"


class ServerGoneError(ZsadError):
    """Prefect's server does not answer, or not as it should."""


@contextmanager
def asking_server() -> Iterator[None]:
    """One kind of error for all that Prefect raises when its server is away.

    Raises:
        ServerGoneError: that.
    """
    try:
        yield
    except httpx.HTTPError as error:
        raise ServerGoneError(str(error) or type(error).__name__) from error
    except RuntimeError as error:
        if _PREFECTS_OWN_WORDS not in str(error):
            raise
        raise ServerGoneError(str(error)) from error


@contextmanager
def best_effort() -> Iterator[None]:
    """Tell the server something that only its pages need: at once or not at all."""
    with suppress(ServerGoneError), asking_server(), temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}):
        yield


_HOST = "127.0.0.1"
_POLL_SECONDS = 0.1
_START_SECONDS = 120  # a new database on a busy machine
_STOP_SECONDS = 5
_QUICK_SECONDS, _QUICK_ENDS = 30, 5  # a server that ends so soon, so often, will not stay up


@contextmanager
def own_server() -> Iterator[None]:
    """Inside, Prefect's settings name a server that answers: the one that they name already, or an own one.

    Raises:
        ZsadError: an own one does not come up.
    """
    if PREFECT_API_URL.value():
        yield
        return
    server = _server()
    server.wait_until_up()
    with temporary_settings({PREFECT_API_URL: f"{server.address}/api"}):
        yield


@cache
def _server() -> "_Server":
    """The one of this process. It ends with the process: by then Prefect has sent what it has to say."""
    server = _Server()
    atexit.register(server.stop)
    return server


class _Server:
    """A process that is kept up until `stop`."""

    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind((_HOST, 0))
            self._port = probe.getsockname()[1]
        self.address = f"http://{_HOST}:{self._port}"
        self._stopped = Event()
        self._process = self._start()
        self._keeper = Thread(target=self._keep_up, daemon=True)
        self._keeper.start()

    def _start(self) -> subprocess.Popen[bytes]:
        """In a group of its own: Ctrl-C ends the run, which ends it."""
        command = [sys.executable, "-m", "pipeline.flows.short_lived", str(self._port)]
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, process_group=0)  # noqa: S603 - our own

    def _keep_up(self) -> None:
        started, ends = time.monotonic(), 0
        while ends < _QUICK_ENDS and not self._stopped.wait(_POLL_SECONDS):
            if self._process.poll() is not None:
                ends = ends + 1 if time.monotonic() - started < _QUICK_SECONDS else 1
                started = time.monotonic()
                self._process = self._start()

    def wait_until_up(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        with httpx.Client(base_url=self.address, trust_env=False) as client:
            while time.monotonic() < deadline and self._keeper.is_alive():
                try:
                    client.get("/api/health").raise_for_status()
                except httpx.HTTPError:
                    time.sleep(_POLL_SECONDS)
                else:
                    return
        raise ZsadError(f"Prefect's server does not come up at {self.address}: what it says stands above")

    def stop(self) -> None:
        self._stopped.set()
        self._keeper.join()
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
