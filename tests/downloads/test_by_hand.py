"""What a person has to fetch or has put in its place."""

import re
from pathlib import Path

import pytest

from pipeline.catalog import record as catalog_record
from pipeline.catalog import shipped_names
from pipeline.downloads import DownloadError, Store, obtain, obtain_all
from pipeline.downloads.acquire import is_held
from pipeline.downloads.hosts import routes
from pipeline.downloads.retries import NoNetworkError
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


@pytest.mark.parametrize("name", shipped_names())
def test_without_a_network_what_is_brought_to_the_place_that_is_named_is_taken(
    name: str, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object) -> None:
        raise NoNetworkError("no network: nobody has an address here")

    wanted = catalog_record(name)
    monkeypatch.setattr("pipeline.downloads.acquire._plain", gone)
    monkeypatch.setattr("pipeline.downloads.acquire._by_library", gone)
    tried = routes(wanted)
    for _ in tried[0]:  # a route in parts may name one after the other
        (result,) = obtain_all([wanted], store, builds={}, keep=True)
        assert result.error is not None
        places = re.findall(r"(?:put it| and https?://\S+) at (\S+?)(?=,| and)", result.error)
        assert places, result.error
        for place in map(Path, places):
            place.parent.mkdir(parents=True, exist_ok=True)
            place.touch()
        if any(all(is_held(source, name, store) for source in route) for route in tried):
            return
    raise AssertionError(f"{name}: not taken from where it was to be put")
