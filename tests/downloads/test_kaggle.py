"""Real kagglehub against a server that answers like Kaggle's interface."""

import base64
import errno
import hashlib
import importlib
import os
import sys
from pathlib import Path

import pytest

from pipeline.downloads import DiskFullError, Display, DownloadError, libraries
from pipeline.downloads.libraries import fetch_kaggle
from tests.downloads.conftest import PATIENCE
from tests.downloads.server import Page, Server
from tests.downloads.sets import FILES, zipped

pytest.importorskip("kagglehub", reason="kagglehub is not installed (the extra `downloads`)")

API = "/api/v1/datasets.DatasetApiService"
CONTENT = zipped()


@pytest.fixture(autouse=True)
def kaggle(server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Page:
    kaggle_env = importlib.import_module("kagglesdk.kaggle_env")
    monkeypatch.setenv("KAGGLE_API_ENVIRONMENT", "LOCALHOST")
    monkeypatch.setenv("HOME", str(tmp_path))  # no account of whoever runs the tests
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(tmp_path))
    monkeypatch.setenv("KAGGLE_API_TOKEN", "token")
    monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.LOCAL, server.url)
    server.put(f"{API}/GetDataset", b'{"currentVersionNumber": 3}', type="application/json")
    digest = base64.b64encode(hashlib.md5(CONTENT).digest()).decode()  # noqa: S324 (what Kaggle sends)
    headers = {"x-goog-hash": f"md5={digest}", "Accept-Ranges": "bytes"}
    server.put(f"{API}/DownloadDataset", CONTENT, headers=headers)
    return server.pages[f"{API}/DownloadDataset"]


def bring(tmp_path: Path, display: Display) -> Path:
    target = tmp_path / "kaggle-owner-widgets" / "files"
    target.parent.mkdir(exist_ok=True)
    fetch_kaggle("owner/widgets", target, display=display, patience=PATIENCE)
    return target


def content(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_a_data_set_after_a_cut_at_40_percent(
    kaggle: Page, display: Display, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kaggle.cuts.append(len(CONTENT) * 2 // 5)
    kaggle.headers["X-Kaggle-HubVersion"] = "99.0"
    assert content(bring(tmp_path, display)) == FILES
    assert capsys.readouterr().out == ""  # standard output is for results


def test_damaged_on_the_way(kaggle: Page, display: Display, tmp_path: Path) -> None:
    kaggle.content = CONTENT[:-10] + b"0123456789"
    with pytest.raises(DownloadError, match="MD5"):
        bring(tmp_path, display)
    assert not (tmp_path / "kaggle-owner-widgets" / "files").exists()


def flipped(content: bytes, position: int) -> bytes:
    return content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :]


@pytest.mark.parametrize(
    ("damaged", "reason"),
    [
        (flipped(CONTENT, 200_000), "Bad CRC"),
        (CONTENT[:-22] + bytes(22), "Unsupported archive type"),  # without its end, the size is right
        (CONTENT.replace(b"PK\1\2\x14\3\x14\0\0", b"PK\1\2\x14\3\x14\0\1"), "encrypted"),  # says its table
    ],
)
def test_damaged_at_the_publisher(
    damaged: bytes, reason: str, kaggle: Page, display: Display, tmp_path: Path
) -> None:
    kaggle.content = damaged
    del kaggle.headers["x-goog-hash"]
    with pytest.raises(DownloadError, match=rf"kaggle owner/widgets: cannot be unpacked \(.*{reason}"):
        bring(tmp_path, display)
    kaggle.content = CONTENT
    assert content(bring(tmp_path, display)) == FILES


@pytest.mark.parametrize("status", [401, 403])
def test_without_an_account(kaggle: Page, display: Display, tmp_path: Path, status: int) -> None:
    kaggle.answers.append((status, {}))
    with pytest.raises(
        DownloadError, match=rf"HTTP {status}; set KAGGLE_API_TOKEN.*save it as .*archive\.zip"
    ):
        bring(tmp_path, display)


def test_gone_or_limited(kaggle: Page, display: Display, tmp_path: Path) -> None:
    kaggle.answers += [(404, {})]
    with pytest.raises(DownloadError, match="kaggle owner/widgets: HTTP 404; download it from https://www"):
        bring(tmp_path, display)
    kaggle.answers += [(429, {"Retry-After": "1"})]
    assert content(bring(tmp_path, display)) == FILES


def test_a_full_disk(display: Display, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_handle: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("kagglehub.dataset_download", full)
    with pytest.raises(DiskFullError, match="the disk is full; make room"):
        bring(tmp_path, display)


def test_without_kagglehub(display: Display, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    with pytest.raises(DownloadError, match=r"kagglehub is not installed; run: pip install"):
        bring(tmp_path, display)


def test_the_cache_of_the_user_is_left_alone(
    display: Display, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path / "mine"))
    assert content(bring(tmp_path, display)) == FILES
    assert not (tmp_path / "mine").exists()
    assert os.environ["KAGGLEHUB_CACHE"] == str(tmp_path / "mine")


def test_more_than_may_come_is_ended(
    kaggle: Page, display: Display, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(libraries, "_LOOK_SECONDS", 0.05)
    kaggle.content, kaggle.holds = bytes(4_000_000), 3_000_000
    target = tmp_path / "kaggle-owner-widgets" / "files"
    target.parent.mkdir()
    with pytest.raises(DownloadError, match="more than the 100000 bytes that may come"):
        fetch_kaggle("owner/widgets", target, display=display, patience=PATIENCE, most=100_000)
