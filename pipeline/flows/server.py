"""Prefect's server, seen from a run: it may be away for a while, and then it must not cost the run."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import httpx
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings

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
