"""One file over HTTP(S): resumed, retried, checked, and there only when it is whole.

Everything plain goes through here: publishers' servers, public buckets, and the files that Zenodo, figshare
and Hugging Face point at. A 404, a refusal or a web page in place of a file is no reason to try again; the
caller goes on to the next source. A file on its way is `<name>.part`, with `<name>.part.json` that says which
remote file it is a part of: bytes are only ever appended to bytes of the same address, the same ETag or
modification time, and the same size.
"""

import json
import os
import shutil
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx

from pipeline.downloads.digests import Expected, is_page, verify
from pipeline.downloads.display import Display
from pipeline.downloads.retries import DownloadError, Patience, TransientError, retry_after, retrying
from pipeline.errors import DiskFullError, is_full
from pipeline.files import sync_folder, write_json

TOKEN = "HF_TOKEN"  # noqa: S105 - a name
"""Of the environment: what opens gated data sets of Hugging Face."""

_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
_SECONDS = 5.0  # that somebody waits who only asks whether a file is there
_LONGEST_JSON = 4 << 20  # bytes; an article with a thousand files has a tenth of that
_SOURCE = "zsad_source"  # the address that a request began with
_WAYS = ("http_proxy", "https_proxy", "all_proxy", "ssl_cert_file", "ssl_cert_dir")
_NO_SUCH_PIECE = httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE


def open_client() -> httpx.Client:
    """A client that follows redirects, but not inwards, and gives up on a silent server after a minute.

    Raises:
        DownloadError: the environment names a proxy or certificates that cannot be used.
    """
    try:
        return httpx.Client(
            follow_redirects=True,
            event_hooks={"request": [_refuse_inward], "response": [_leave_unread]},
            timeout=httpx.Timeout(60.0, connect=20.0),
            headers={"User-Agent": "zsad", "Accept-Encoding": "identity"},
        )
    except (OSError, ValueError, ImportError) as error:
        named = [name for name in os.environ if name.lower() in _WAYS]
        raise DownloadError(
            f"nothing can be downloaded with what the environment names ({error}): set {', '.join(named)} "
            "to what this machine has, or unset them"
        ) from error


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


def file_size(url: str) -> int | None:
    """Bytes of a file at an address, None where the server does not say; asked once, within seconds.

    Raises:
        DownloadError: nobody answers, or there is no such file.
    """
    with open_client() as client:
        client.timeout = httpx.Timeout(_SECONDS)
        try:
            with answer(client, url, {}) as response:
                length = response.headers.get("Content-Length", "")
        except TransientError as error:
            raise DownloadError(f"{url}: {error}") from None
    return int(length) if length.isdecimal() else None


@contextmanager
def answer(client: httpx.Client, url: str, headers: Mapping[str, str]) -> Iterator[httpx.Response]:
    """The response to a GET whose status allows to read it; errors of HTTP become ours."""
    try:
        with client.stream("GET", url, headers=dict(headers), extensions={_SOURCE: url}) as response:
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
        sent = "Authorization" in response.request.headers
        step = f"; the account of {TOKEN} must have accepted the terms of the data set" if sent else ""
        raise DownloadError(f"{url}: HTTP {status} {response.reason_phrase}{step}")
    plain = [hop.url.host for hop in (*response.history, response) if hop.url.scheme != "https"]
    if url.startswith("https:") and plain:
        raise DownloadError(f"{url}: redirects to {plain[0]} without encryption, which is not followed")
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise DownloadError(f"{url}: the server packs the file although it was asked not to")
    if is_page(b"", response.headers.get("Content-Type", "")):
        raise DownloadError(web_page(url))


def _refuse_inward(request: httpx.Request) -> None:
    """Before each request: a publisher must not lead into this machine or its network.

    Raises:
        DownloadError: a redirect from outside goes there.
    """
    source = request.extensions.get(_SOURCE)
    if source is None or str(request.url) == str(httpx.URL(source)):
        return
    if _is_inward(request.url.host) and not _is_inward(httpx.URL(source).host):
        raise DownloadError(
            f"{source}: redirects to {request.url.host}, on this machine or in its network, which is not"
            " followed"
        )


def _leave_unread(response: httpx.Response) -> None:
    """After each response: what a redirect holds beside the way is not read, since it need not end."""
    if response.has_redirect_location and isinstance(response.stream, httpx.SyncByteStream):
        response.stream.close()
        response.stream = httpx.ByteStream(b"")


def _is_inward(host: str) -> bool:
    """Whether a host, or an address that its name has here, is not one of the public internet."""
    try:
        found = {str(entry[4][0]) for entry in socket.getaddrinfo(host, None)}
    except OSError:
        return False  # there is no way to it either, unless a proxy knows one
    return any(not ip_address(address.partition("%")[0]).is_global for address in found)


def web_page(url: str) -> str:
    """The message for a page that came in place of a file."""
    return f"{url}: a web page came in place of the file: a login or a warning"


class Part:
    """The unfinished download of `target`."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.path = target.with_name(f"{target.name}.part")
        self._note = target.with_name(f"{target.name}.part.json")

    @property
    def size(self) -> int:
        """Bytes that are there."""
        return self.path.stat().st_size if self.path.exists() else 0

    def resume(self, url: str) -> Mapping[str, Any] | None:
        """What is noted about the bytes that are there, None when a download of `url` starts from nothing."""
        note = self._read_note()
        if note is not None and note.get("url") == url and validator(note) and self.size:
            return note
        self.discard()
        return None

    def begin(self, note: Mapping[str, Any]) -> None:
        """Start over with the remote file that `note` describes."""
        self.discard()
        with room_for(self):
            write_json(self._note, note)

    def append(self, content: bytes, handle: int) -> None:
        """Write all of `content` to an open descriptor of `path`.

        Raises:
            DiskFullError: what fitted is kept, and the next run goes on behind it.
        """
        with room_for(self):
            left = memoryview(content)
            while left:
                left = left[os.write(handle, left) :]

    def finish(self) -> None:
        """Give the whole file its name."""
        self.path.replace(self.target)
        sync_folder(self.target.parent)
        self._note.unlink(missing_ok=True)

    def discard(self) -> None:
        """Forget the bytes that are there; the bytes go first, so that none is left with a wrong note."""
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)

    def _read_note(self) -> Mapping[str, Any] | None:
        try:
            note = json.loads(self._note.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return note if isinstance(note, dict) else None


@contextmanager
def room_for(part: Part) -> Iterator[None]:
    """Turns a full disk into one message that says what is kept."""
    try:
        yield
    except OSError as error:
        if not is_full(error):
            raise
        raise DiskFullError(
            f"{part.target.parent}: the disk is full; make room and run the command again, it goes on behind "
            f"the {part.size} bytes in {part.path.name}"
        ) from None


def validator(note: Mapping[str, Any]) -> str | None:
    """The value for `If-Range`: a strong ETag, else the modification time (RFC 9110, 13.1.5)."""
    etag = note.get("etag")
    if isinstance(etag, str) and not etag.startswith("W/"):
        return etag
    modified = note.get("last_modified")
    return modified if isinstance(modified, str) else None


@dataclass(frozen=True)
class Remote:
    """A file on a host: its name here, its address, and what is known of it."""

    name: str
    url: str
    expected: Expected


def fetch(
    remote: Remote,
    target: Path,
    *,
    client: httpx.Client,
    display: Display,
    patience: Patience,
    token: str | None = None,
) -> None:
    """Bring `remote` to `target`, on top of what an earlier try left in `<target>.part`.

    The token goes to the host of the address alone: a redirect to another host does not get it.

    Raises:
        DiskFullError: no room; the part stays.
        DownloadError: the host does not give the file, or gives another one, of which nothing stays.
    """
    part = Part(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    retrying(
        remote.url,
        patience,
        lambda: _attempt(remote, part, client, display, token),
        reached=lambda: part.size,
        say=display.say,
    )
    try:
        verify(part.path, remote.expected)
    except DownloadError as error:
        part.discard()
        raise DownloadError(f"{remote.url}: {error}; the file was thrown away") from None
    part.finish()


def _attempt(remote: Remote, part: Part, client: httpx.Client, display: Display, token: str | None) -> None:
    note = part.resume(remote.url)
    if note is not None and note.get("total") == part.size:
        return  # cut between the last byte and the rename
    opening = {} if token is None else {"Authorization": f"Bearer {token}"}
    with answer(client, remote.url, _range(note, part.size) | opening) as response:
        if response.status_code == httpx.codes.OK:
            note = _describe(remote.url, response)
            _refuse_wrong_size(remote, note["total"])
            part.begin(note)
        elif note is None or not _continues(response, note, part.size):
            part.discard()
            raise TransientError("the file changed on the server, or it sent another piece than asked for")
        _receive(response, part, note["total"], display.file(remote.name, note["total"], part.size))


def _range(note: Mapping[str, Any] | None, size: int) -> dict[str, str]:
    if note is None:
        return {}
    return {"Range": f"bytes={size}-", "If-Range": str(validator(note))}


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
                raise DownloadError(web_page(str(response.request.url)))
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
