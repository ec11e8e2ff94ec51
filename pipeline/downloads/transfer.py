"""One file over HTTP(S): resumed, retried, checked, and there only when it is whole.

Everything plain goes through here: publishers' servers, public buckets, and the files that Zenodo, figshare
and Hugging Face point at. A 404, a refusal or a web page in place of the file is no reason to try again;
the caller goes on to the next source.
"""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from pipeline.downloads.checks import Expected, is_page, verify
from pipeline.downloads.errors import DownloadError, TransientError
from pipeline.downloads.meter import Meter
from pipeline.downloads.part import Part, room_for, validator
from pipeline.downloads.retries import Patience, retry_after, retrying
from pipeline.errors import DiskFullError

_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
_NO_SUCH_PIECE = httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE


@dataclass(frozen=True)
class Remote:
    """A file on a host: its name here, its address, and what is known of it."""

    name: str
    url: str
    expected: Expected


def open_client() -> httpx.Client:
    """A client that follows redirects and gives up on a silent server after a minute."""
    return httpx.Client(
        follow_redirects=True,
        timeout=httpx.Timeout(60.0, connect=20.0),
        headers={"User-Agent": "zsad", "Accept-Encoding": "identity"},
    )


def fetch(remote: Remote, target: Path, *, client: httpx.Client, meter: Meter, patience: Patience) -> None:
    """Bring `remote` to `target`, on top of what an earlier try left in `<target>.part`.

    Raises:
        DiskFullError: no room; the part stays.
        DownloadError: the host does not give the file, or gives another one, of which nothing stays.
    """
    part = Part(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    retrying(
        remote.url,
        patience,
        lambda: _attempt(remote, part, client, meter),
        reached=lambda: part.size,
        say=meter.say,
    )
    try:
        verify(part.path, remote.expected)
    except DownloadError as error:
        part.discard()
        raise DownloadError(f"{remote.url}: {error}; the file was thrown away") from None
    part.finish()


def get_json(url: str, *, client: httpx.Client, patience: Patience) -> Any:
    """The JSON answer of a host's interface.

    Raises:
        DownloadError: no answer, or none in JSON.
    """

    def attempt() -> Any:
        with _answer(client, url, {}) as response:
            response.read()
            return response.json()

    try:
        return retrying(url, patience, attempt)
    except ValueError:
        raise DownloadError(f"{url}: the answer is not JSON") from None


def _attempt(remote: Remote, part: Part, client: httpx.Client, meter: Meter) -> None:
    note = part.resume(remote.url)
    if note is not None and note.get("total") == part.size:
        return  # cut between the last byte and the rename
    with _answer(client, remote.url, _range(note, part.size)) as response:
        if response.status_code == httpx.codes.OK:
            note = _describe(remote.url, response)
            _refuse_wrong_size(remote, note["total"])
            part.begin(note)
        elif note is None or not _continues(response, note, part.size):
            part.discard()
            raise TransientError("the file changed on the server, or it sent another piece than asked for")
        _receive(response, part, note["total"], meter.file(remote.name, note["total"], part.size))


def _range(note: Mapping[str, Any] | None, size: int) -> dict[str, str]:
    if note is None:
        return {}
    return {"Range": f"bytes={size}-", "If-Range": str(validator(note))}


@contextmanager
def _answer(client: httpx.Client, url: str, headers: Mapping[str, str]) -> Iterator[httpx.Response]:
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
        raise DownloadError(_page(url))


def _page(url: str) -> str:
    return f"{url}: a web page came in place of the file: a login or a warning"


def _describe(url: str, response: httpx.Response) -> dict[str, Any]:
    length = response.headers.get("Content-Length", "")
    return {
        "url": url,
        "etag": response.headers.get("ETag"),
        "last_modified": response.headers.get("Last-Modified"),
        "total": int(length) if length.isdecimal() else None,
    }


def _continues(response: httpx.Response, note: Mapping[str, Any], size: int) -> bool:
    """Whether a partial response is the rest, from `size` on, of the file that `note` describes."""
    same = all(
        response.headers.get(header, note[key]) == note[key]
        for header, key in (("ETag", "etag"), ("Last-Modified", "last_modified"))
    )
    span, _, total = response.headers.get("Content-Range", "").removeprefix("bytes ").partition("/")
    known = note["total"] is None or total in ("*", str(note["total"]))
    return same and known and span.startswith(f"{size}-")


def _refuse_wrong_size(remote: Remote, total: int | None) -> None:
    wanted = remote.expected.bytes
    if None not in (total, wanted) and total != wanted:
        raise DownloadError(
            f"{remote.url}: the server has {total} bytes, but {remote.expected.origin} says {wanted}"
        )


def _receive(response: httpx.Response, part: Part, total: int | None, advance: Callable[[int], None]) -> None:
    """Append the body to the part."""
    size = part.size
    if total is not None and shutil.disk_usage(part.path.parent).free < total - size:
        raise DiskFullError(
            f"{part.target.parent}: {total - size} bytes are still to come and the disk has less room; make "
            "room and run the command again"
        )
    handle = os.open(part.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        for chunk in response.iter_raw():
            if size == 0 and is_page(chunk, ""):
                raise DownloadError(_page(str(response.request.url)))
            size += len(chunk)
            if total is not None and size > total:
                raise TransientError("the server sent more than it announced")
            part.append(chunk, handle)
            advance(len(chunk))
    finally:
        with room_for(part):
            os.fsync(handle)
        os.close(handle)
    if total is not None and size < total:
        raise TransientError(f"the connection ended after {size} of {total} bytes")
