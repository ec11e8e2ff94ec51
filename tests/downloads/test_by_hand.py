"""What a person has to fetch or has put in its place."""

import pytest

from pipeline.downloads import DownloadError, Store, obtain
from tests.downloads.server import Server
from tests.downloads.sets import http, record, zipped

ZIP = zipped()


def test_what_is_there_is_taken_before_anything_is_fetched(server: Server, store: Store) -> None:
    wanted = record(http(server.put("/w.zip", ZIP)), http(server.url + "/gone.zip", "other.zip"))
    folder = store.folder(wanted.sources[1], "widgets")
    folder.mkdir()
    (folder / "other.zip").write_bytes(ZIP)
    assert obtain(wanted, store).held[0].source.archive == "other.zip"
    assert server.asked == []


def test_a_person_is_told_of_every_volume(server: Server, store: Store) -> None:
    wanted = record(
        http(server.url + "/x/w.part1.rar", "w.part1.rar", volumes=["w.part2.rar", "w.part3.rar"])
    )
    folder = store.folder(wanted.sources[0], "widgets")
    folder.mkdir()
    (folder / "w.part1.rar").write_bytes(b"one of three")
    with pytest.raises(DownloadError) as caught:
        obtain(wanted, store)
    told = f"by hand: fetch it in a browser ({server.url}/x/w.part1.rar), put it at {folder / 'w.part1.rar'}"
    told += "".join(
        f" and {server.url}/x/{name} at {folder / name}" for name in ("w.part2.rar", "w.part3.rar")
    )
    assert f"{told}, and run the command again" in str(caught.value)
