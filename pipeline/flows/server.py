"""Prefect's server, seen from a run: it may be away for a while, and then it must not cost the run.

A run that nobody serves gets a server of its own. Prefect would start one too, but without a secret, and
never look at it again: one that dies as it starts holds the run up for two minutes and then ends it, one that
dies later costs a minute per request, and one whose run is killed stays for ever. Here it is started again at
once, on the same port and database, and ends with its run.
"""

import atexit
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from threading import Event, Thread

import httpx
from prefect.events.clients import PrefectEventsClient
from prefect.events.worker import EventsWorker
from prefect.settings import (
    PREFECT_API_AUTH_STRING,
    PREFECT_API_URL,
    PREFECT_CLIENT_MAX_RETRIES,
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    temporary_settings,
)

from pipeline.errors import ZsadError
from pipeline.flows.prefect_server import Server, own_server
from pipeline.flows.processes import ServiceError

_POLL_SECONDS = 0.1
_ANSWER_SECONDS = 20.0
_TRIES = 2  # to send an event; Prefect waits a second before each one after these
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


@contextmanager
def some_server() -> Iterator[None]:
    """Inside, Prefect's settings name a server that answers: the one that they name already, or an own one.

    Raises:
        ServerGoneError: nobody answers where they name one.
        ServiceError: an own one does not come up.
    """
    if named := PREFECT_API_URL.value():
        _require_answer(named)
        yield
        return
    server = _own_server_up()
    settings = {
        PREFECT_API_URL: f"{server.address}/api",
        PREFECT_API_AUTH_STRING: server.secret,
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None,  # it ends with the run; up to a second to stop beating
    }
    with temporary_settings(settings):
        yield


def _require_answer(api: str) -> None:
    """Prefect would ask for minutes, without a word."""
    try:
        with asking_server():
            httpx.get(f"{api}/health", timeout=_ANSWER_SECONDS)
    except ServerGoneError as error:
        raise ServerGoneError(
            f"nobody answers at PREFECT_API_URL={api} ({error}): start Prefect's server there, or unset it"
        ) from error


@cache
def _own_server_up() -> Server:
    """The one of this process, kept up. It ends when Prefect has said all that it has to."""
    # While it is started again its socket stays open, so a client that waits between tries waits for nothing.
    EventsWorker.set_client_override(PrefectEventsClient, reconnection_attempts=_TRIES)
    server, over = own_server(), Event()

    def keep_up() -> None:
        try:
            while not over.wait(_POLL_SECONDS):
                server.keep_up()
        except ServiceError as error:
            logging.raiseExceptions = False  # Prefect would say of each line of its log that nobody takes it
            sys.stderr.write(f"{error}; the run goes on without pages\n")

    keeper = Thread(target=keep_up, daemon=True)

    def stop() -> None:
        over.set()
        if keeper.is_alive():
            keeper.join()

    atexit.register(stop)
    server.wait_until_up()
    keeper.start()
    return server
