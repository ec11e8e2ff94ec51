import hashlib
import json
from typing import Any

import pytest

from pipeline.catalog import Source
from pipeline.downloads import DownloadError, Store
from pipeline.downloads.acquire import acquire
from tests.downloads.server import Server

CONTENT = b"the archive"
MD5 = hashlib.md5(CONTENT).hexdigest()  # noqa: S324 (what the services give)


def source(kind: str, **changes: Any) -> Source:
    return Source.model_validate(
        {"kind": kind, "id": "123", "archive": "a.zip", "confirmed": True, **changes}
    )


def figshare(server: Server, **changes: Any) -> None:
    url = server.put("/ndownloader/files/9", CONTENT)
    file = {"name": "a.zip", "size": len(CONTENT), "download_url": url, "computed_md5": MD5, **changes}
    answer = {"files": [file, {"name": "b.zip", "size": 1, "download_url": url, "computed_md5": "0" * 32}]}
    server.put("/v2/articles/123", json.dumps(answer).encode(), type="application/json")


def zenodo(server: Server, **changes: Any) -> None:
    url = server.put("/api/records/123/files/a.zip/content", CONTENT)
    file = {"key": "a.zip", "size": len(CONTENT), "checksum": f"md5:{MD5}", "links": {"self": url}, **changes}
    server.put("/api/records/123", json.dumps({"files": [file]}).encode(), type="application/json")


@pytest.mark.parametrize(("kind", "serve"), [("figshare", figshare), ("zenodo", zenodo)])
def test_the_file_of_an_article(kind: str, serve: Any, server: Server, store: Store) -> None:
    serve(server)
    (held,) = acquire(source(kind), "widgets", store)
    assert held.path.read_bytes() == CONTENT
    assert held.path.name == "a.zip"
    assert "b.zip" not in {path.name for path in held.path.parent.iterdir()}


@pytest.mark.parametrize(
    ("kind", "serve", "wrong"),
    [
        ("figshare", figshare, {"computed_md5": "1" * 32}),
        ("zenodo", zenodo, {"checksum": f"md5:{'1' * 32}"}),
    ],
)
def test_the_digest_that_the_service_gives_is_compared(
    kind: str, serve: Any, wrong: dict[str, Any], server: Server, store: Store
) -> None:
    serve(server, **wrong)
    with pytest.raises(DownloadError, match=rf"MD5 is {MD5}, but \w+ says 1{{32}}"):
        acquire(source(kind), "widgets", store)


def test_all_files_of_an_article_when_none_is_named(server: Server, store: Store) -> None:
    zenodo(server)
    (held,) = acquire(source("zenodo", archive=None), "widgets", store)
    assert held.path.name == "a.zip"


def test_what_an_article_does_not_have(server: Server, store: Store) -> None:
    figshare(server)
    with pytest.raises(DownloadError, match=r"figshare 123: no c\.zip there but a\.zip, b\.zip"):
        acquire(source("figshare", archive="c.zip"), "widgets", store)
    with pytest.raises(DownloadError, match="HTTP 404"):
        acquire(source("zenodo"), "widgets", store)
    server.put("/api/records/123", b'["surprise"]', type="application/json")
    with pytest.raises(DownloadError, match="no files"):
        acquire(source("zenodo"), "widgets", store)


@pytest.mark.parametrize("name", ["", "..", ".hidden", "a\\b.zip", "a\nb.zip"])
def test_names_from_outside_do_not_lead_anywhere(name: str, server: Server, store: Store) -> None:
    figshare(server, name=name)
    with pytest.raises(DownloadError, match="not safe"):
        acquire(source("figshare", archive=None), "widgets", store)


def test_hugging_face(server: Server, store: Store) -> None:
    server.put("/cdn/a.zip", CONTENT)
    server.put(
        "/datasets/some/mpdd/resolve/main/a.zip", answers=[(302, {"Location": "/cdn/a.zip"})], content=b""
    )
    (held,) = acquire(source("huggingface", id="some/mpdd"), "widgets", store)
    assert held.path.read_bytes() == CONTENT


def test_volumes_lie_beside_the_first(server: Server, store: Store) -> None:
    url = server.put("/x/a.part1.rar", b"one")
    server.put("/x/a.part2.rar", b"two")
    wanted = source("http", id=None, url=url, archive="a.part1.rar", volumes=["a.part2.rar"])
    first, second = acquire(wanted, "widgets", store)
    assert (first.path.name, second.path.name) == ("a.part1.rar", "a.part2.rar")
    assert first.path.parent == second.path.parent
    server.asked.clear()
    assert [held.path for held in acquire(wanted, "widgets", store)] == [first.path, second.path]
    assert server.asked == []
