"""Real gdown against a server that shows the pages of Google Drive."""

import errno
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.downloads import DiskFullError, Display, DownloadError, libraries
from pipeline.downloads.libraries import fetch_drive_file, fetch_drive_folder
from tests.downloads.conftest import PATIENCE
from tests.downloads.server import Server
from tests.downloads.sets import zipped

pytest.importorskip("gdown", reason="gdown is not installed (the extra `downloads`)")

ID = "1AbCdEfGhIjKlMnOpQrStUvWxYz012345"
CONTENT = zipped()
WARNING = (  # on one line, as Drive writes it
    b'<html><body><form id="download-form" action="https://drive.usercontent.google.com/download">'
    b'<input type="hidden" name="id" value="%s"><input type="hidden" name="confirm" value="t"></form>'
)
QUOTA = b'<html><p class="uc-error-subcaption">Too many users have viewed this file.</p></html>'


@pytest.fixture(autouse=True)
def drive(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Send what gdown asks Google for to the server."""
    from requests.adapters import HTTPAdapter

    real = HTTPAdapter.send

    def send(self: HTTPAdapter, request: Any, **options: Any) -> Any:
        asked = request.url
        for host in ("drive.google.com", "drive.usercontent.google.com"):
            request.url = request.url.replace(f"https://{host}", server.url)
        response = real(self, request, **options)
        response.url = asked
        return response

    monkeypatch.setattr(HTTPAdapter, "send", send)


def offer(server: Server, id_: str, content: bytes, **options: Any) -> None:
    """A large file: a warning page first, then the file."""
    server.put(f"/uc?id={id_}", WARNING % id_.encode(), type="text/html; charset=utf-8")
    headers = {"Content-Disposition": 'attachment; filename="widgets.zip"'}
    server.put(f"/download?id={id_}&confirm=t", content, headers=headers, **options)


def test_a_file_behind_the_warning_page_cut_at_40_percent(
    server: Server, display: Display, tmp_path: Path
) -> None:
    large = np.random.default_rng(3).bytes(2_000_000)
    offer(server, ID, large, cuts=[800_000])
    fetch_drive_file(ID, tmp_path / "archive.zip", display=display, patience=PATIENCE)
    assert (tmp_path / "archive.zip").read_bytes() == large
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["archive.zip"]
    assert [piece for _, piece in server.asked if piece] == ["bytes=524288-"]  # whole pieces of 512 KiB


def test_what_an_earlier_run_left_is_not_mixed_with_another_version(
    server: Server, display: Display, tmp_path: Path
) -> None:
    old = tmp_path / "archive.zip.incomingabcdefgh.part"
    old.write_bytes(b"old" * 1000)
    offer(server, ID, CONTENT)
    fetch_drive_file(ID, tmp_path / "archive.zip", display=display, patience=PATIENCE)
    assert (tmp_path / "archive.zip").read_bytes() == CONTENT
    assert not old.exists()


def test_a_file_that_too_many_have_viewed(server: Server, display: Display, tmp_path: Path) -> None:
    server.put(f"/uc?id={ID}", QUOTA, type="text/html")
    with pytest.raises(DownloadError, match=r"Too many users.*when it opens in a browser, save it as .*zip"):
        fetch_drive_file(ID, tmp_path / "archive.zip", display=display, patience=PATIENCE)
    assert list(tmp_path.glob("*.zip")) == []


@pytest.mark.parametrize("status", [404, 403])
def test_a_file_that_is_gone(server: Server, display: Display, tmp_path: Path, status: int) -> None:
    headers = {"Content-Type": "application/json", "Content-Disposition": "attachment"}
    server.put(f"/uc?id={ID}", b"", answers=[(status, headers)])
    with pytest.raises(DownloadError, match=f"HTTP {status} from Google Drive"):
        fetch_drive_file(ID, tmp_path / "archive.zip", display=display, patience=PATIENCE)


def test_rate_limit(server: Server, display: Display, tmp_path: Path) -> None:
    offer(server, ID, CONTENT)
    headers = {"Content-Type": "text/plain", "Content-Disposition": "attachment", "Retry-After": "1"}
    server.pages[f"/uc?id={ID}"].answers.append((429, headers))
    fetch_drive_file(ID, tmp_path / "archive.zip", display=display, patience=PATIENCE)
    assert (tmp_path / "archive.zip").read_bytes() == CONTENT


def folder(server: Server, files: dict[str, bytes]) -> None:
    """A folder with two files and a folder with the others."""
    ids = {name: f"{number:030d}" for number, name in enumerate(files)}
    inner = "9" * 30
    page = "<html><head><title>{}</title></head><body>{}</body></html>"
    file = '<a href="https://drive.google.com/file/d/{}/view">{}</a>'
    top = "".join(file.format(ids[name], name) for name in files if "/" not in name)
    top += f'<a href="https://drive.google.com/drive/folders/{inner}">inner</a>'
    below = "".join(file.format(ids[name], name.removeprefix("inner/")) for name in files if "/" in name)
    server.put(f"/embeddedfolderview?id={ID}", page.format("widgets", top).encode(), type="text/html")
    server.put(f"/embeddedfolderview?id={inner}", page.format("inner", below).encode(), type="text/html")
    for name, content in files.items():
        offer(server, ids[name], content)


def test_a_folder_appears_when_all_of_it_is_there(server: Server, display: Display, tmp_path: Path) -> None:
    files = {"readme.txt": b"read me", "widgets.zip": CONTENT, "inner/a.png": b"a", "inner/b.png": b"b"}
    folder(server, files)
    last = f"/download?id={3:030d}&confirm=t"
    page = server.pages.pop(last)
    server.put(last, QUOTA, type="text/html")
    target = tmp_path / "files"
    with pytest.raises(DownloadError, match=r"inner/b\.png"):
        fetch_drive_folder(ID, target, display=display, patience=PATIENCE)
    assert not target.exists()
    server.pages[last] = page
    server.asked.clear()
    (tmp_path / "files.incoming" / "inner" / "b.pngabcdefgh.part").write_bytes(b"a piece of another version")
    fetch_drive_folder(ID, target, display=display, patience=PATIENCE)
    found = {path.relative_to(target).as_posix(): path for path in target.rglob("*") if path.is_file()}
    assert {name: path.read_bytes() for name, path in found.items()} == files
    downloads = [path for path, _ in server.asked if path.startswith("/download")]
    assert set(files) == set(found)
    assert downloads.count(last) == 1


def test_a_private_folder(server: Server, display: Display, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="status code 404"):
        fetch_drive_folder(ID, tmp_path / "files", display=display, patience=PATIENCE)
    assert not (tmp_path / "files").exists()


def test_a_full_disk(display: Display, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**_options: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("gdown.download", full)
    with pytest.raises(DiskFullError, match="the disk is full; make room"):
        fetch_drive_file(ID, tmp_path / "archive.zip", display=display, patience=PATIENCE)


def test_without_gdown(display: Display, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gdown", None)
    with pytest.raises(DownloadError, match=r"gdown is not installed; run: pip install 'zsad\[downloads\]'"):
        fetch_drive_file(ID, tmp_path / "archive.zip", display=display, patience=PATIENCE)


@pytest.mark.parametrize("whole", [False, True])
def test_more_than_may_come_is_ended(
    server: Server, display: Display, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: bool
) -> None:
    monkeypatch.setattr(libraries, "_LOOK_SECONDS", 0.05)
    folder(server, {"a.zip": b""})
    id_ = f"{0:030d}"
    offer(server, id_, bytes(4_000_000), length=False, holds=3_000_000)
    bring, what = (fetch_drive_folder, ID) if whole else (fetch_drive_file, id_)
    with pytest.raises(DownloadError, match="more than the 100000 bytes that may come"):
        bring(what, tmp_path / "got", display=display, patience=PATIENCE, most=100_000)


def test_a_host_that_sends_nothing_is_given_up(
    server: Server, display: Display, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(libraries, "_LOOK_SECONDS", 0.05)
    monkeypatch.setattr(libraries, "_SILENT_SECONDS", 0.2)
    offer(server, ID, bytes(4_000_000), holds=1_000_000)
    with pytest.raises(DownloadError, match=r"nothing came for 0\.2 s; gave up after"):
        fetch_drive_file(ID, tmp_path / "archive.zip", display=display, patience=PATIENCE)
