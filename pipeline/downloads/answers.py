"""What a host answers: which responses may be read, and which errors are worth another attempt.

A 404, a refusal or a web page in place of a file is no reason to try again; the caller goes on to the next
source. Interfaces answer in JSON, of which only a reasonable length is read.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx

from pipeline.downloads.checks import is_page
from pipeline.downloads.errors import DownloadError, TransientError
from pipeline.downloads.retries import Patience, retry_after, retrying

_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
_LONGEST_JSON = 4 << 20  # bytes; an article with a thousand files has a tenth of that
_NO_SUCH_PIECE = httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE


def open_client() -> httpx.Client:
    """A client that follows redirects and gives up on a silent server after a minute."""
    return httpx.Client(
        follow_redirects=True,
        timeout=httpx.Timeout(60.0, connect=20.0),
        headers={"User-Agent": "zsad", "Accept-Encoding": "identity"},
    )


def get_json(url: str, *, client: httpx.Client, patience: Patience) -> Any:
    """The JSON answer of a host's interface.

    Raises:
        DownloadError: no answer, none in JSON, or one that is far too long.
    """

    def attempt() -> bytes:
        content = bytearray()
        with answer(client, url, {}) as response:
            for chunk in response.iter_raw():
                content += chunk
                if len(content) > _LONGEST_JSON:
                    raise DownloadError(f"{url}: the answer is longer than {_LONGEST_JSON} bytes")
        return bytes(content)

    try:
        return json.loads(retrying(url, patience, attempt))
    except (ValueError, RecursionError):
        raise DownloadError(f"{url}: the answer is not JSON") from None


@contextmanager
def answer(client: httpx.Client, url: str, headers: Mapping[str, str]) -> Iterator[httpx.Response]:
    """The response to a GET whose status allows to read it; errors of HTTP become ours."""
    try:
        with client.stream("GET", url, headers=dict(headers)) as response:
            _refuse(url, response)
            yield response
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise _translated(url, error) from None


def _translated(url: str, error: Exception) -> Exception:
    """Ours for an error of the client: worth another attempt, or not."""
    reason = str(error) or type(error).__name__
    hopeless = "CERTIFICATE_VERIFY_FAILED" in reason or isinstance(error, httpx.UnsupportedProtocol)
    if isinstance(error, httpx.TransportError) and not hopeless:
        return TransientError(f"the connection broke ({reason})")
    return DownloadError(f"{url}: {reason}")


def _refuse(url: str, response: httpx.Response) -> None:
    """Raise unless the response may hold the file."""
    status = response.status_code
    if status in _AGAIN:
        raise TransientError(f"HTTP {status}", retry_after(response.headers.get("Retry-After")))
    if status not in (httpx.codes.OK, httpx.codes.PARTIAL_CONTENT, _NO_SUCH_PIECE):
        raise DownloadError(f"{url}: HTTP {status} {response.reason_phrase}")
    plain = [hop.url.host for hop in (*response.history, response) if hop.url.scheme != "https"]
    if url.startswith("https:") and plain:
        raise DownloadError(f"{url}: redirects to {plain[0]} without encryption, which is not followed")
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise DownloadError(f"{url}: the server packs the file although it was asked not to")
    if is_page(b"", response.headers.get("Content-Type", "")):
        raise DownloadError(web_page(url))


def web_page(url: str) -> str:
    """The message for a page that came in place of a file."""
    return f"{url}: a web page came in place of the file: a login or a warning"
