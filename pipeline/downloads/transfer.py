"""One file over HTTP(S): resumed, retried, checked, and there only when it is whole.

Everything plain goes through here: publishers' servers, public buckets, and the files that Zenodo, figshare
and Hugging Face point at.
"""

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from pipeline.downloads.answers import answer, web_page
from pipeline.downloads.checks import Expected, is_page, verify
from pipeline.downloads.errors import DownloadError, TransientError
from pipeline.downloads.meter import Meter
from pipeline.downloads.part import Part, room_for, validator
from pipeline.downloads.retries import Patience, retrying
from pipeline.errors import DiskFullError


@dataclass(frozen=True)
class Remote:
    """A file on a host: its name here, its address, and what is known of it."""

    name: str
    url: str
    expected: Expected


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


def _attempt(remote: Remote, part: Part, client: httpx.Client, meter: Meter) -> None:
    note = part.resume(remote.url)
    if note is not None and note.get("total") == part.size:
        return  # cut between the last byte and the rename
    with answer(client, remote.url, _range(note, part.size)) as response:
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
