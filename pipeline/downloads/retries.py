"""What can go wrong on the way from a host to a file, and how long to go on with a host that fails.

Attempts are made again with exponential back-off, and never against what the server asks. One that brought
new bytes does not count as failed, so a server that cuts every connection is followed to the end of the file,
and one that sends the same piece again and again is not.
"""

import random
import re
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

from pipeline.errors import DataError


class DownloadError(DataError):
    """A source that cannot be used now; another source of the same data may do."""


class NoNetworkError(DownloadError):
    """Nothing outside of this machine has an address."""


class TransientError(Exception):
    """An attempt that failed and may work when it is made again.

    Attributes:
        after: seconds that the server asks to wait, None when it does not say.
    """

    def __init__(self, reason: str, after: float | None = None) -> None:
        super().__init__(reason)
        self.after = after


T = TypeVar("T")

_UNRESOLVED = re.compile(
    r"Name or service not known|name resolution|NameResolutionError|nodename nor servname|getaddrinfo failed",
    re.IGNORECASE,
)
_WELL_KNOWN = ("github.com", "www.kaggle.com", "drive.google.com")
_PROGRESS = 64 << 10  # bytes; less than this is not worth another free attempt


@dataclass(frozen=True)
class Patience:
    """Bounds of retrying.

    Attributes:
        attempts: failed attempts in a row after which a host is given up.
        first: seconds before the second attempt, doubled each time.
        longest: most seconds of one such wait.
        asked: most seconds that are waited because a server asks for them.
    """

    attempts: int = 6
    first: float = 1.0
    longest: float = 60.0
    asked: float = 300.0


def require_network(reason: str) -> None:
    """Do nothing, unless `reason` is that a name has no address, and well-known names have none either.

    Raises:
        NoNetworkError: so it is; neither another attempt nor another host makes sense.
    """
    if _UNRESOLVED.search(reason) and not any(map(_has_address, _WELL_KNOWN)):
        raise NoNetworkError(
            f"no network: {', '.join(_WELL_KNOWN)} have no address here; run the command again with one"
        )


def _has_address(host: str) -> bool:
    try:
        return bool(socket.getaddrinfo(host, 443))
    except OSError:
        return False


def retrying(
    what: str,
    patience: Patience,
    attempt: Callable[[], T],
    *,
    reached: Callable[[], int] = lambda: 0,
    say: Callable[[str], None] = lambda _message: None,
) -> T:
    """Call `attempt` until it succeeds.

    Args:
        what: named in the error, an address or a file.
        patience: when to stop.
        attempt: raises `TransientError` where another attempt makes sense.
        reached: bytes that are there so far.
        say: is told of every wait.

    Raises:
        DownloadError: the attempts are used up, there is no network, or the server asks to wait for too long.
    """
    failed, best = 0, reached()
    while True:
        try:
            return attempt()
        except TransientError as error:
            require_network(str(error))
            if reached() >= best + _PROGRESS:
                failed, best = 0, reached()
            failed += 1
            if failed >= patience.attempts:
                raise DownloadError(
                    f"{what}: {error}; gave up after {failed} attempts, run the command again later"
                ) from None
            pause = _pause(what, patience, failed, error)
            say(f"{what}: {error}; trying again in {pause:.0f} s")
            time.sleep(pause)


def _pause(what: str, patience: Patience, failed: int, error: TransientError) -> float:
    """Seconds to wait before the next attempt."""
    if error.after is None:
        return float(min(patience.longest, patience.first * 2 ** (failed - 1)) * random.uniform(0.5, 1.0))  # noqa: S311 (no secret)
    if error.after > patience.asked:
        raise DownloadError(
            f"{what}: {error}; the server asks to wait {error.after:.0f} s, run the command again then"
        )
    return error.after


def retry_after(value: str | None) -> float | None:
    """Seconds of a `Retry-After` header (RFC 9110, 10.2.3: seconds or a date), None when it says nothing."""
    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (moment - datetime.now(UTC)).total_seconds()) if moment.tzinfo else None
