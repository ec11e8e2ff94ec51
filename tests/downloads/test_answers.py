import httpx
import pytest

from pipeline.downloads import DownloadError, http
from pipeline.downloads.http import get_json
from tests.downloads.conftest import PATIENCE
from tests.downloads.server import Server


def test_json(server: Server, client: httpx.Client) -> None:
    url = server.put("/api", b'{"files": []}', type="application/json", answers=[(503, {})])
    assert get_json(url, client=client, patience=PATIENCE) == {"files": []}


@pytest.mark.parametrize("content", [b"no", b"", b"\xff", b"[" * 200_000])
def test_what_is_not_json(content: bytes, server: Server, client: httpx.Client) -> None:
    url = server.put("/text", content)
    with pytest.raises(DownloadError, match=f"{url}: the answer is not JSON"):
        get_json(url, client=client, patience=PATIENCE)


def test_only_a_reasonable_length_of_an_answer_is_read(
    server: Server, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "_LONGEST_JSON", 1000)
    fits = server.put("/fits", b"[1]".ljust(1000), length=False)
    assert get_json(fits, client=client, patience=PATIENCE) == [1]
    endless = server.put("/endless", b"[1]".ljust(1_000_000), length=False)
    with pytest.raises(DownloadError, match=f"{endless}: the answer is longer than 1000 bytes"):
        get_json(endless, client=client, patience=PATIENCE)
