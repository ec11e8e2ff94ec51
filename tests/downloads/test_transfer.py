import hashlib
import os
import ssl
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import httpx
import numpy as np
import pytest

from pipeline.downloads import Display
from pipeline.downloads.digests import Expected
from pipeline.downloads.http import Remote, fetch, open_client
from pipeline.downloads.retries import DownloadError
from pipeline.errors import DiskFullError
from tests.downloads.conftest import PATIENCE
from tests.downloads.server import Server

CONTENT = np.random.default_rng(1).bytes(1_000_000)
OTHER = np.random.default_rng(2).bytes(1_000_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def bring(client: httpx.Client, display: Display, tmp_path: Path) -> "Bring":
    return Bring(client, display, tmp_path / "downloads" / "file.zip")


class Bring:
    """Fetches an address to `target`, and says what lies in its folder."""

    def __init__(self, client: httpx.Client, display: Display, target: Path) -> None:
        self.client, self.display, self.target = client, display, target

    def __call__(self, url: str, **expected: object) -> bytes:
        remote = Remote("file.zip", url, Expected(**expected))  # type: ignore[arg-type]
        fetch(remote, self.target, client=self.client, display=self.display, patience=PATIENCE)
        return self.target.read_bytes()

    @property
    def files(self) -> dict[str, int]:
        return {path.name: path.stat().st_size for path in sorted(self.target.parent.iterdir())}


def test_a_file_comes_whole_and_leaves_nothing_else(server: Server, bring: Bring) -> None:
    url = server.put("/file.zip", CONTENT)
    assert bring(url, bytes=len(CONTENT), sha256=SHA256) == CONTENT
    assert bring.files == {"file.zip": len(CONTENT)}


def test_a_cut_at_40_percent_is_resumed_in_the_same_run(server: Server, bring: Bring) -> None:
    url = server.put("/file.zip", CONTENT, cuts=[400_000])
    assert bring(url, sha256=SHA256) == CONTENT
    assert server.asked == [("/file.zip", None), ("/file.zip", "bytes=400000-")]
    assert server.conditions == [None, '"v1"']
    assert server.sent["/file.zip"] == len(CONTENT)


def test_a_cut_at_40_percent_is_resumed_by_the_next_run(server: Server, bring: Bring) -> None:
    url = server.put("/file.zip", CONTENT, cuts=[400_000, 0, 0, 0])
    with pytest.raises(DownloadError, match="gave up after 3 attempts"):
        bring(url, sha256=SHA256)
    assert not bring.target.exists()
    assert bring.files["file.zip.part"] == 400_000
    server.pages["/file.zip"].cuts.clear()
    assert bring(url, sha256=SHA256) == CONTENT
    assert server.asked[-1] == ("/file.zip", "bytes=400000-")


def test_a_server_that_cuts_every_connection_is_followed_to_the_end(server: Server, bring: Bring) -> None:
    url = server.put("/file.zip", CONTENT, cuts=[100_000] * 9)
    assert bring(url, sha256=SHA256) == CONTENT
    assert len(server.asked) == 10


@pytest.mark.parametrize("etag", [None, 'W/"weak"'])
def test_without_a_strong_etag_the_modification_time_counts(
    server: Server, bring: Bring, etag: str | None
) -> None:
    url = server.put("/file.zip", CONTENT, cuts=[400_000], etag=etag)
    assert bring(url, sha256=SHA256) == CONTENT
    assert server.conditions == [None, "Wed, 01 Jan 2025 00:00:00 GMT"]


def test_a_part_of_another_address_is_not_continued(server: Server, bring: Bring) -> None:
    with pytest.raises(DownloadError):
        bring(server.put("/other.zip", OTHER, cuts=[400_000, 0, 0, 0]))
    assert bring(server.put("/file.zip", CONTENT)) == CONTENT


def test_a_kill_between_the_last_byte_and_the_rename_costs_no_request(server: Server, bring: Bring) -> None:
    url = server.put("/file.zip", CONTENT, cuts=[400_000, 0, 0, 0])
    with pytest.raises(DownloadError):
        bring(url)
    part = bring.target.with_name("file.zip.part")
    part.write_bytes(CONTENT)
    asked = len(server.asked)
    assert bring(url, sha256=SHA256) == CONTENT
    assert len(server.asked) == asked


@pytest.mark.parametrize("options", [{"ranges": False}, {"etag": None, "modified": None}])
def test_what_cannot_be_resumed_starts_over(server: Server, bring: Bring, options: dict[str, object]) -> None:
    url = server.put("/file.zip", CONTENT, cuts=[400_000], **options)
    assert bring(url, sha256=SHA256) == CONTENT
    assert server.sent["/file.zip"] == 400_000 + len(CONTENT)
    assert server.asked[-1] == ("/file.zip", None) or not options.get("ranges", True)


@pytest.mark.parametrize("careless", [False, True])
def test_a_file_that_changed_between_two_tries_is_not_mixed(
    server: Server, bring: Bring, careless: bool
) -> None:
    url = server.put("/file.zip", OTHER, cuts=[400_000, 0, 0, 0])
    with pytest.raises(DownloadError):
        bring(url)
    server.put("/file.zip", CONTENT, etag='"v2"', modified="Thu, 02 Jan 2025 00:00:00 GMT", careless=careless)
    assert bring(url) == CONTENT


@pytest.mark.parametrize("careless", [False, True])
def test_a_file_that_became_shorter_starts_over(server: Server, bring: Bring, careless: bool) -> None:
    url = server.put("/file.zip", OTHER, cuts=[400_000, 0, 0, 0])
    with pytest.raises(DownloadError):
        bring(url)
    server.put("/file.zip", CONTENT[:1000], etag='"v2"', careless=careless)
    assert bring(url) == CONTENT[:1000]


def test_a_server_that_resumes_at_the_wrong_byte_is_not_believed(server: Server, bring: Bring) -> None:
    url = server.put("/file.zip", CONTENT, cuts=[400_000, 0, 0, 0])
    with pytest.raises(DownloadError):
        bring(url)
    with httpx.Client(transport=_Shifted("bytes 300000-999999/1000000")) as shifted:
        bring.client = shifted
        with pytest.raises(DownloadError, match="another piece than asked for"):
            bring(url)
    assert not bring.target.exists()


class _Shifted(httpx.BaseTransport):
    """Answers every request with 206 and one and the same range."""

    def __init__(self, content_range: str) -> None:
        self._range = content_range

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        assert request.method == "GET"
        headers = {"Content-Range": self._range, "ETag": '"v1"'}
        return httpx.Response(206, headers=headers, content=CONTENT[300_000:])


def test_a_wrong_digest_names_both_and_leaves_nothing(server: Server, bring: Bring) -> None:
    url = server.put("/file.zip", OTHER)
    with pytest.raises(DownloadError) as caught:
        bring(url, sha256=SHA256)
    assert SHA256 in str(caught.value)
    assert hashlib.sha256(OTHER).hexdigest() in str(caught.value)
    assert bring.files == {}
    with pytest.raises(DownloadError, match="MD5 is"):
        bring(url, md5="0" * 32)
    assert bring.files == {}


def test_a_wrong_size_is_refused_before_the_download(server: Server, bring: Bring) -> None:
    url = server.put("/file.zip", CONTENT)
    with pytest.raises(DownloadError, match="the server has 1000000 bytes, but the record says 5"):
        bring(url, bytes=5)
    assert bring.files == {}


def test_what_a_redirect_holds_is_not_read(server: Server, bring: Bring) -> None:
    way = {"Location": server.put("/file.zip", CONTENT), "Content-Length": f"{10**15}"}
    url = server.put("/way", b"", answers=[(302, way)])
    started = time.monotonic()
    assert bring(url, sha256=SHA256) == CONTENT
    assert time.monotonic() - started < 5  # it would wait a minute for the next byte


@pytest.mark.parametrize(
    ("content", "kind"),
    [(b"<p>please log in</p>", "text/html; charset=utf-8"), (b"\n<!DOCTYPE html><html>", "application/zip")],
)
def test_a_redirect_to_a_warning_page_is_no_archive(
    server: Server, bring: Bring, content: bytes, kind: str
) -> None:
    server.put("/warning", content, type=kind)
    server.put("/file.zip", b"", answers=[(302, {"Location": "/warning"})] * 3)
    with pytest.raises(DownloadError, match="a web page came in place of the file"):
        bring(server.url + "/file.zip")
    assert bring.target.exists() is False
    assert bring.files.get("file.zip.part", 0) == 0
    assert len(server.asked) == 2


@pytest.mark.parametrize("status", [429, 503])
def test_rate_limits_are_waited_for(server: Server, bring: Bring, status: int) -> None:
    url = server.put("/file.zip", CONTENT, answers=[(status, {"Retry-After": "1"})])
    start = time.monotonic()
    assert bring(url) == CONTENT
    assert time.monotonic() - start >= 1.0


def test_a_date_in_retry_after(server: Server, bring: Bring) -> None:
    moment = datetime.now(UTC) + timedelta(seconds=2)
    url = server.put(
        "/file.zip", CONTENT, answers=[(429, {"Retry-After": format_datetime(moment, usegmt=True)})]
    )
    assert bring(url) == CONTENT
    assert datetime.now(UTC) >= moment - timedelta(seconds=1)


def test_a_host_that_wants_an_hour_is_not_waited_for(server: Server, bring: Bring) -> None:
    url = server.put("/file.zip", CONTENT, answers=[(429, {"Retry-After": "3600"})])
    with pytest.raises(DownloadError, match="HTTP 429; the server asks to wait 3600 s"):
        bring(url)


def test_errors_of_the_server_are_retried_and_missing_files_are_not(server: Server, bring: Bring) -> None:
    url = server.put("/file.zip", CONTENT, answers=[(500, {}), (502, {})])
    assert bring(url) == CONTENT
    with pytest.raises(DownloadError, match="HTTP 404"):
        bring(server.url + "/missing.zip")
    assert [path for path, _ in server.asked].count("/missing.zip") == 1


def test_nobody_listens(bring: Bring) -> None:
    with pytest.raises(DownloadError, match="the connection broke"):
        bring("http://127.0.0.1:9/file.zip")


def test_no_way_to_plain_http_or_other_schemes(bring: Bring) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.scheme == "https":
            return httpx.Response(302, headers={"Location": "http://elsewhere/file.zip"})
        return httpx.Response(200, content=CONTENT)

    with httpx.Client(transport=httpx.MockTransport(answer), follow_redirects=True) as mocked:
        bring.client = mocked
        with pytest.raises(DownloadError, match="redirects to elsewhere without encryption"):
            bring("https://here/file.zip")
    with open_client() as real:
        bring.client = real
        with pytest.raises(DownloadError, match=r"^file:"):
            bring("file:///etc/hostname")


@pytest.mark.parametrize(
    "inside", ["127.0.0.1", "10.1.2.3", "169.254.169.254", "[::1]", "[::ffff:192.168.0.1]"]
)
def test_no_way_from_a_publisher_into_this_network(bring: Bring, inside: str) -> None:
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.host)
        return httpx.Response(302, headers={"Location": f"https://{inside}/secret"})

    with open_client() as real:
        hooks = real.event_hooks
    with httpx.Client(
        transport=httpx.MockTransport(answer), follow_redirects=True, event_hooks=hooks
    ) as mocked:
        bring.client = mocked
        with pytest.raises(DownloadError, match="on this machine or in its network, which is not followed"):
            bring("https://8.8.8.8/file.zip")
    assert asked == ["8.8.8.8"]


def test_no_way_over_plain_http(bring: Bring) -> None:
    ways = {"https://here/": "http://between/", "http://between/": "https://there/"}

    def answer(request: httpx.Request) -> httpx.Response:
        onward = ways.get(str(request.url))
        return (
            httpx.Response(302, headers={"Location": onward}) if onward else httpx.Response(200, content=b"x")
        )

    with httpx.Client(transport=httpx.MockTransport(answer), follow_redirects=True) as mocked:
        bring.client = mocked
        with pytest.raises(DownloadError, match="redirects to between without encryption"):
            bring("https://here/")


def test_a_certificate_that_does_not_hold_is_not_retried(bring: Bring, tmp_path: Path) -> None:
    attempts = []

    def answer(request: httpx.Request) -> httpx.Response:
        attempts.append(request)
        raise httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] unable to get local issuer") from (
            ssl.SSLCertVerificationError()
        )

    with httpx.Client(transport=httpx.MockTransport(answer)) as mocked:
        bring.client = mocked
        with pytest.raises(DownloadError, match="unable to get local issuer"):
            bring("https://here/file.zip")
    assert len(attempts) == 1


def test_without_a_length(server: Server, bring: Bring) -> None:
    url = server.put("/file.zip", CONTENT, length=False)
    assert bring(url, sha256=SHA256) == CONTENT


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "small"
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", place], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip("mounting a tmpfs is not allowed here")
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)


@pytest.mark.parametrize("length", [True, False])
def test_a_full_disk_leaves_a_part_that_is_resumed(
    server: Server, bring: Bring, small_disk: Path, length: bool
) -> None:
    url = server.put("/file.zip", CONTENT, length=length)
    bring.target = small_disk / "file.zip"
    with pytest.raises(DiskFullError, match=r"the disk (is full|has less room)"):
        bring(url, sha256=SHA256)
    assert not bring.target.exists()
    had = bring.files.get("file.zip.part", 0)
    assert (had > 300_000) == (not length)  # with a length nothing is begun
    subprocess.run(["mount", "-o", "remount,size=2m", small_disk], check=True)
    server.pages["/file.zip"].length = True
    assert bring(url, sha256=SHA256) == CONTENT
    assert bring.files == {"file.zip": len(CONTENT)}


def test_a_disk_that_fills_up_meanwhile(
    server: Server, bring: Bring, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same without a mount: the operating system takes 300000 bytes and then no more."""
    real = os.write

    def write(handle: int, content: bytes) -> int:
        left = 300_000 - bring.files.get("file.zip.part", 0)
        if left <= 0:
            raise OSError(28, "No space left on device")
        return real(handle, content[:left])

    url = server.put("/file.zip", CONTENT)
    with monkeypatch.context() as patched:
        patched.setattr("pipeline.downloads.http.os.write", write)
        with pytest.raises(DiskFullError, match=r"goes on behind the 300000 bytes in file\.zip\.part"):
            bring(url)
    assert bring.files["file.zip.part"] == 300_000
    assert not bring.target.exists()
    assert bring(url, sha256=SHA256) == CONTENT
    assert server.asked[-1][1] == "bytes=300000-"


def test_short_writes_lose_nothing(server: Server, bring: Bring, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    monkeypatch.setattr("pipeline.downloads.http.os.write", lambda handle, data: real(handle, data[:5000]))
    assert bring(server.put("/file.zip", CONTENT), sha256=SHA256) == CONTENT
