import hashlib
import multiprocessing
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.catalog import DatasetRecord, known_bytes
from pipeline.downloads import (
    DiskFullError,
    Display,
    DownloadError,
    Store,
    obtain,
    obtain_all,
    to_fetch,
)
from pipeline.downloads.display import open_display
from pipeline.downloads.hosts import routes
from pipeline.downloads.store import open_store
from pipeline.errors import DataError
from tests.downloads.conftest import PATIENCE
from tests.downloads.server import Server
from tests.downloads.sets import FILES, http, published, record, tarred, zipped

ZIP = zipped()


def content(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def visible(store: Store) -> list[str]:
    """What a reader of the root sees."""
    return sorted(path.name for path in store.root.iterdir() if not path.name.startswith("."))


@pytest.mark.parametrize("archive", [ZIP, tarred(), zipped(top="wrapped/")])
def test_a_data_set_is_placed_as_published(server: Server, store: Store, archive: bytes) -> None:
    outcome = obtain(record(http(server.put("/w.zip", archive), **published(archive))), store)
    assert outcome.status == "placed"
    assert outcome.counts == {"widget": (2, 1)}
    assert outcome.path == store.root / "widgets"
    assert set(content(outcome.path).values()) == set(FILES.values())
    assert visible(store) == ["widgets"]
    assert (store.downloads / ".gitignore").read_text() == "*\n"


def test_a_data_set_that_is_there_is_left_alone(server: Server, store: Store) -> None:
    wanted = record(http(server.put("/w.zip", ZIP)))
    obtain(wanted, store)
    server.asked.clear()
    assert obtain(wanted, store).status == "present"
    assert server.asked == []
    (store.root / "widgets/widget/test/good/001.png").unlink()
    with pytest.raises(DataError, match=r"is there and not touched.*expected 2 normal, found 1.*Move it"):
        obtain(wanted, store)
    assert visible(store) == ["widgets"]


def test_a_404_and_a_warning_page_lead_to_the_working_mirror(server: Server, store: Store) -> None:
    page = server.put("/login", b"<html>", type="text/html")
    good = server.put("/w.zip", ZIP)
    facts = published(ZIP)
    outcome = obtain(
        record(http(server.url + "/gone.zip", **facts), http(page, **facts), http(good, **facts)), store
    )
    assert [held.source.url for held in outcome.held] == [good]
    assert visible(store) == ["widgets"]


def test_a_wrong_digest_leads_on_and_nothing_of_it_stays(server: Server, store: Store) -> None:
    bad = server.put("/bad.zip", zipped({"widget/test/good/000.png": b"evil"}))
    facts = {"sha256": hashlib.sha256(ZIP).hexdigest(), "digest_status": "tool"}
    with pytest.raises(DownloadError, match=r"no source worked\n.*SHA-256 is \w+, but the record \(tool\)"):
        obtain(record(http(bad, **facts)), store)
    assert visible(store) == []
    assert [path.name for path in store.downloads.rglob("*") if "widgets.zip" in path.name] == []
    assert obtain(record(http(bad, **facts), http(server.put("/w.zip", ZIP), **facts)), store).held[0].fetched


@pytest.mark.parametrize(
    ("archive", "message"),
    [
        (zipped({"notes.txt": b"no data here"}), "no folder here looks like the published archive"),
        (
            zipped({name: data for name, data in FILES.items() if "001" not in name}),
            "expected 2 normal, found 1",
        ),
        (ZIP[: len(ZIP) // 2], "damaged"),
        (b"neither zip nor tar", "neither a tar nor a zip"),
        (zipped({**FILES, "../../evil.png": b"evil"}), r"evil"),
    ],
)
def test_what_is_not_the_data_set_is_never_placed(
    server: Server, store: Store, archive: bytes, message: str
) -> None:
    wanted = record(http(server.put("/w.zip", archive)))
    with pytest.raises(DownloadError, match=message):
        obtain(wanted, store)
    assert visible(store) == []
    assert not store.ledger.path.exists()
    assert list(store.downloads.rglob("*.png")) == []
    server.put("/w.zip", ZIP, etag='"v2"')  # the publisher repairs it
    assert obtain(wanted, store).status == "placed"


def test_the_first_digest_is_kept_and_compared(server: Server, store: Store) -> None:
    wanted = record(http(server.put("/w.zip", ZIP)))
    obtain(wanted, store)
    (entry,) = yaml.safe_load(store.ledger.path.read_text()).values()
    assert entry == {"bytes": len(ZIP), "sha256": hashlib.sha256(ZIP).hexdigest()}
    shutil.rmtree(store.root)
    (store.downloads / "locks").mkdir(parents=True)
    other = zipped({**FILES, "readme.txt": FILES["readme.txt"][::-1]})
    server.put("/w.zip", other, etag='"v2"')
    with pytest.raises(DownloadError) as caught:
        obtain(wanted, store)
    for digest in (ZIP, other):
        assert hashlib.sha256(digest).hexdigest() in str(caught.value)
    assert "data.digests.yaml (first download)" in str(caught.value)
    assert visible(store) == []


def by_hand(**changes: Any) -> dict[str, Any]:
    return {
        "kind": "form",
        "url": "https://example.org/widgets",
        "archive": "Widgets.zip",
        "instructions": "fill in the form",
        "confirmed": True,
        **changes,
    }


def test_a_person_is_told_what_to_fetch_and_it_is_picked_up(store: Store) -> None:
    wanted = record(by_hand())
    place = store.downloads / "widgets" / "Widgets.zip"
    with pytest.raises(DownloadError) as caught:
        obtain(wanted, store)
    assert str(caught.value) == (
        "widgets: a person has to fetch it\n  by hand: fill in the form (https://example.org/widgets), "
        f"put it at {place}, and run the command again"
    )
    place.parent.mkdir()
    place.write_bytes(ZIP)
    (outcome,) = obtain_all([wanted], store, builds={}, keep=False)
    assert outcome.status == "placed"
    assert place.exists()  # what a person put there is theirs


def test_what_a_person_put_there_is_checked_and_not_deleted(store: Store) -> None:
    place = store.downloads / "widgets" / "Widgets.zip"
    place.parent.mkdir()
    place.write_bytes(b"something else")
    digest = {"sha256": hashlib.sha256(ZIP).hexdigest(), "digest_status": "tool"}
    with pytest.raises(DownloadError, match=rf"{re.escape(str(place))}: .*; remove it and run the command"):
        obtain(record(by_hand(**digest)), store)
    with pytest.raises(DownloadError, match="neither a tar nor a zip"):
        obtain(record(by_hand()), store)
    assert place.read_bytes() == b"something else"


def test_automatic_sources_come_before_a_person(server: Server, store: Store) -> None:
    wanted = record(by_hand(), http(server.put("/w.zip", ZIP)))
    assert obtain(wanted, store).held[0].source.kind == "http"
    gone = record(by_hand(), http(server.url + "/gone.zip"), name="other")
    with pytest.raises(DownloadError, match=r"no source worked\n.*HTTP 404.*\n.*by hand: fill in") as caught:
        obtain(gone, store)
    assert f"by hand: fetch it in a browser ({server.url}/gone.zip), put it at " in str(caught.value)


def test_a_file_of_any_source_can_be_put_there_by_hand(server: Server, store: Store) -> None:
    wanted = record(http(server.url + "/gone.zip"))
    folder = store.folder(wanted.sources[0], "widgets")
    folder.mkdir()
    (folder / "widgets.zip").write_bytes(ZIP)
    assert obtain(wanted, store).status == "placed"
    assert server.asked == []


IMAGES = {name: data for name, data in FILES.items() if "ground_truth" not in name}
MASKS = {name: data for name, data in FILES.items() if "ground_truth" in name}


def test_parts_of_one_data_set(server: Server, store: Store) -> None:
    wanted = record(
        http(server.put("/i.zip", zipped(IMAGES)), "images.zip", part="images"),
        http(server.put("/all.zip", ZIP), "all.zip"),
        http(server.put("/m.zip", zipped(MASKS)), "masks.zip", part="masks"),
    )
    assert [len(route) for route in routes(wanted)] == [2, 1]
    assert content(obtain(wanted, store).path) == FILES


def test_parts_that_have_the_same_file(server: Server, store: Store) -> None:
    wanted = record(
        http(server.put("/i.zip", zipped(IMAGES)), "images.zip", part="images"),
        http(server.put("/m.zip", zipped(MASKS | {"readme.txt": b"another"})), "masks.zip", part="masks"),
    )
    with pytest.raises(DownloadError, match=r"readme\.txt: two archives of the data set both have this file"):
        obtain(wanted, store)
    assert visible(store) == []


def test_one_folder_of_an_archive_that_data_sets_share(server: Server, store: Store) -> None:
    both = {f"pack/{name}/{file}": data for name in ("Widgets", "Gadgets") for file, data in FILES.items()}
    url = server.put("/both.zip", zipped(both))
    sets = [record(http(url, keep="Widgets")), record(http(url, keep="Gadgets"), name="gadgets")]
    outcomes = list(obtain_all(sets, store, builds={}, keep=False))
    assert [outcome.status for outcome in outcomes] == ["placed", "placed"]
    assert [path for path, _ in server.asked] == ["/both.zip"]
    assert {path.split("/")[0] for path in content(store.root / "gadgets")} == {"Gadgets"}
    assert list(store.downloads.rglob("*.zip")) == []
    with pytest.raises(DownloadError, match="no folder Gizmos in the archive; it has pack"):
        obtain(record(http(url, keep="Gizmos"), name="gizmos"), store)


def test_one_failure_does_not_stop_the_others(server: Server, store: Store) -> None:
    sets = [
        record(http(server.url + "/gone.zip")),
        record(http(server.put("/g.zip", ZIP), "g.zip"), name="gadgets"),
    ]
    first, second = obtain_all(sets, store, builds={}, keep=True)
    assert first.status == "failed"
    assert "HTTP 404" in (first.error or "")
    assert second.status == "placed"
    assert [path.name for path in store.downloads.rglob("*.zip")] == ["g.zip"]


def test_the_build_that_is_asked_for(server: Server, store: Store) -> None:
    builds = [
        {"name": "paper", "normal": 9, "anomalous": 9, "status": "reported"},
        {"name": "standard", "normal": 2, "anomalous": 1, "status": "confirmed"},
    ]
    wanted = record(
        http(server.put("/w.zip", ZIP), build="standard"),
        http(server.put("/p.zip", ZIP), "p.zip"),
        http("http://127.0.0.1:9/never.zip", use=False),
        builds=builds,
    )
    outcome = obtain(wanted, store)
    assert [held.path.name for held in outcome.held] == ["p.zip"]
    assert any("expected 9 normal, found 2" in warning for warning in outcome.warnings)
    shutil.rmtree(outcome.path)
    assert obtain(wanted, store, "standard").warnings == ()


def test_no_room_for_what_is_known_to_come(server: Server, store: Store) -> None:
    wanted = record(http(server.put("/w.zip", ZIP), bytes=10**15))
    assert known_bytes(to_fetch(wanted, store)) == 10**15
    with pytest.raises(DiskFullError, match=r"needs about 2\.0 PB, but .* are free in"):
        obtain(wanted, store)
    assert server.asked == []


@pytest.fixture
def small_store(store: Store) -> Iterator[Store]:
    place = store.root / "small"
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=900k", "tmpfs", place], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip("mounting a tmpfs is not allowed here")
    try:
        (place / ".downloads" / "locks").mkdir(parents=True)
        yield replace(store, root=place)
    finally:
        subprocess.run(["umount", place], check=True)


def test_a_disk_that_fills_up_while_unpacking(server: Server, small_store: Store) -> None:
    wanted = record(http(server.put("/w.zip", ZIP)), http(server.put("/m.zip", ZIP), "mirror.zip"))
    with pytest.raises(DataError, match=r"needs more than .*; make room"):
        obtain(wanted, small_store)
    assert visible(small_store) == []
    assert [path.name for path in small_store.downloads.rglob("*.zip")] == ["widgets.zip"]
    subprocess.run(["mount", "-o", "remount,size=4m", small_store.root], check=True)
    assert obtain(wanted, small_store).status == "placed"
    assert [path for path, _ in server.asked] == ["/w.zip"]


def _in_a_process(wanted: DatasetRecord, root: Path, answers: Any) -> None:
    with open_display() as display, open_store(root, root.parent / "data.digests.yaml", display) as opened:
        answers.put(obtain(wanted, replace(opened, patience=PATIENCE)).status)


def test_two_processes_at_once(server: Server, tmp_path: Path) -> None:
    wanted = record(http(server.put("/w.zip", ZIP)))
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    processes = [
        context.Process(target=_in_a_process, args=(wanted, tmp_path / "data", answers)) for _ in range(2)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert sorted(answers.get(timeout=1) for _ in processes) == ["placed", "present"]
    assert [path for path, _ in server.asked] == ["/w.zip"]
    assert content(tmp_path / "data" / "widgets") == FILES


def test_a_kill_while_a_file_comes_is_resumed(server: Server, store: Store) -> None:
    wanted = record(http(server.put("/w.zip", ZIP, holds=240_000), **published(ZIP)))
    context = multiprocessing.get_context("fork")
    process = context.Process(target=_in_a_process, args=(wanted, store.root, context.Queue()))
    process.start()
    part = store.folder(wanted.sources[0], "widgets") / "widgets.zip.part"
    deadline = time.monotonic() + 30
    while not (part.exists() and part.stat().st_size == 240_000) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    process.join()
    assert visible(store) == []
    assert {path.name for path in store.downloads.rglob("widgets.zip*")} == {part.name, f"{part.name}.json"}
    server.pages["/w.zip"].holds = None
    assert obtain(wanted, store).status == "placed"
    assert server.asked == [("/w.zip", None), ("/w.zip", "bytes=240000-")]


def test_what_a_killed_run_had_unpacked_is_not_used(server: Server, store: Store) -> None:
    left = store.downloads / "staging" / "widgets" / "tree" / "widget" / "test" / "good"
    left.mkdir(parents=True)
    (left / "999.png").write_bytes(b"from another time")
    outcome = obtain(record(http(server.put("/w.zip", ZIP))), store)
    assert content(outcome.path) == FILES


def drive_folder(store: Store, files: dict[str, bytes]) -> DatasetRecord:
    """A record whose Drive folder has been fetched."""
    wanted = record({"kind": "gdrive", "id": "1x", "folder": True, "confirmed": True})
    for name, data in files.items():
        path = store.folder(wanted.sources[0], "widgets") / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return wanted


def test_a_folder_of_files_has_one_digest(store: Store) -> None:
    wanted = drive_folder(store, FILES)
    outcome = obtain(wanted, store)
    assert content(outcome.path) == FILES
    (key,) = yaml.safe_load(store.ledger.path.read_text())
    assert key == "gdrive:1x/files"
    shutil.rmtree(outcome.path)
    drive_folder(store, {"readme.txt": b"changed"})
    with pytest.raises(DownloadError, match=r"files: .*digest is \w+, but data\.digests\.yaml"):
        obtain(wanted, store)


def test_archives_in_a_folder_are_unpacked(store: Store) -> None:
    wanted = drive_folder(store, {"data/images.zip": zipped(IMAGES), "data/masks.tar": tarred(MASKS)})
    assert content(obtain(wanted, store).path) == {f"data/{name}": data for name, data in FILES.items()}


def test_nothing_is_known(store: Store) -> None:
    with pytest.raises(DownloadError, match=r"the record names no source; put the data set at .*widgets"):
        obtain(record(), store)


def test_a_root_that_cannot_be_written(tmp_path: Path, display: Display) -> None:
    (tmp_path / "file").write_text("no folder")
    with (
        pytest.raises(NotADirectoryError, match=r"file/data"),
        open_store(tmp_path / "file" / "data", tmp_path / "ledger.yaml", display),
    ):
        pass


def test_without_a_network_it_is_said_once_and_what_is_here_is_placed(
    server: Server, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(store.display, "say", said.append)
    monkeypatch.setattr("pipeline.downloads.retries._has_address", lambda _host: False)
    far = [record(http(f"https://nowhere{number}.invalid/w.zip"), name=f"far{number}") for number in (1, 2)]
    here = record(http(server.put("/w.zip", ZIP)), name="here")
    obtain(here, store)
    outcomes = list(obtain_all([*far, here], store, builds={}, keep=False))
    assert [outcome.status for outcome in outcomes] == ["failed", "failed", "present"]
    for number, outcome in enumerate(outcomes[:2], start=1):
        place = store.folder(far[number - 1].sources[0], f"far{number}") / "widgets.zip"
        told = f"(https://nowhere{number}.invalid/w.zip), put it at {place}, and run the command again"
        assert outcome.error == f"far{number}: no network; where there is one: fetch it in a browser {told}"
    assert sum(line.startswith("no network: ") for line in said) == 1
