"""Prefect's server, seen from a run: it may be away for a while, and then it must not cost the run.

A run that nobody serves gets a server of its own. Prefect would start one too, but never look at it again:
one that dies as it starts holds the run up for two minutes and then ends it, one that dies later costs a
minute per request, and one whose run is killed stays for ever. Here `python -m pipeline.flows.server PORT` is
started again at once, on the same port and database, and ends with its run.
"""

import atexit
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from threading import Event, Thread

import httpx
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, PREFECT_HOME, temporary_settings

from pipeline.errors import ZsadError
from pipeline.flows.processes import Kept, ServiceError

_HOST = "127.0.0.1"
_POLL_SECONDS = 0.1
_STOP_SECONDS = 5
_PREFECTS_OWN_WORDS = "Failed to reach API"
# As Prefect starts its own, without pages.
_SETTINGS = {"PREFECT_UI_ENABLED": "0", "PREFECT__SERVER_EPHEMERAL": "1", "PREFECT__SERVER_FINAL": "1"}


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


@contextmanager
def some_server() -> Iterator[None]:
    """Inside, Prefect's settings name a server that answers: the one that they name already, or an own one.

    Raises:
        ServiceError: an own one does not come up.
    """
    if PREFECT_API_URL.value():
        yield
        return
    server, address = _own_server()
    server.wait_until_up(f"{address}/api/health")
    with temporary_settings({PREFECT_API_URL: f"{address}/api"}):
        yield


@cache
def _own_server() -> tuple[Kept, str]:
    """The one of this process, and its address. It ends with the process, when Prefect has said all."""
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        port = probe.getsockname()[1]
    command = ["pipeline.flows.server", str(port)]
    log = Path(PREFECT_HOME.value()) / "own-server.log"
    server, over = Kept("Prefect's server", command, _SETTINGS, log), Event()

    def keep_up() -> None:
        with suppress(ServiceError):  # whoever needs it finds out
            while not over.wait(_POLL_SECONDS):
                server.keep_up()

    keeper = Thread(target=keep_up, daemon=True)
    keeper.start()

    def stop() -> None:
        over.set()
        keeper.join()
        server.stop(_STOP_SECONDS)

    atexit.register(stop)
    return server, f"http://{_HOST}:{port}"


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_POLL_SECONDS)
    os._exit(0)


def _serve(port: int) -> None:
    import uvicorn

    Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    create_app = "prefect.server.api.server:create_app"
    uvicorn.run(create_app, factory=True, host=_HOST, port=port, log_level="error", lifespan="on")


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
