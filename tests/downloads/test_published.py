"""Every data set as published, at its published counts: download, extraction, reader, fingerprint, shards."""

from pathlib import Path

import pytest

from pipeline.catalog import DatasetRecord, Source, list_samples, names, record
from pipeline.downloads import Store, obtain
from pipeline.shards import Manifest, prepare
from tests.catalog.published import SIDE, published_archive
from tests.catalog.published_extended import DRAWN, EXTENDED, real_iad
from tests.catalog.trees import fingerprint
from tests.downloads.server import Server
from tests.downloads.sets import http, published

HUB = "/datasets/Real-IAD/Real-IAD/resolve/main"
CONSULTED = {"visa": 1, "headct": 1, "dagm": 10, "elpv": 1, "real_iad": 30}


def arrived(entry: DatasetRecord, archive: Path, server: Server, store: Store, out: Path) -> Manifest:
    """The archive from a server to its place, and from there to shards, whose manifest it is."""
    content, file = archive.read_bytes(), archive.name.replace(" ", "_")
    known = published(content) | {"keep": entry.sources[0].keep}
    source = http(server.put(f"/{file}", content), file, **known)
    data = obtain(entry.model_copy(update={"sources": (Source.model_validate(source),)}), store).path
    return prepare(entry, data, out, [SIDE], entry.expected())


def found(manifest: Manifest) -> dict[str, tuple[int, int]]:
    assert manifest.errors == {}
    return {it.name: (it.normal or 0, it.anomalous or 0) for it in manifest.subsets}


def every_file_is_accounted_for(entry: DatasetRecord, data: Path, manifest: Manifest) -> None:
    listing, counts = list_samples(entry, data), found(manifest)
    assert manifest.build == fingerprint(listing, data)[""]
    normal, anomalous = (sum(pair[label] for pair in counts.values()) for label in (0, 1))
    masks = [sample for sample in listing.samples if sample.mask is not None]
    with_masks = normal + anomalous if entry.name == "ksdd2" else anomalous  # there all images have one
    assert len(masks) == (with_masks if entry.has_masks else 0)
    files = sum(path.is_file() for path in data.rglob("*"))
    read = normal + anomalous + len(masks) + CONSULTED.get(entry.name, 0)
    assert files == read + sum(it.files for it in manifest.ignored)


@pytest.mark.parametrize("name", names())
def test_an_archive_gives_the_counts_of_the_paper(
    name: str, server: Server, store: Store, tmp_path: Path
) -> None:
    archive, entry = published_archive(name, tmp_path)
    manifest = arrived(entry, archive, server, store, tmp_path / "shards")
    assert manifest.build_name == entry.builds[0].name
    counts = found(manifest)
    for subset in entry.subsets:
        assert subset.counts in {None, counts[subset.name]}
    normal, anomalous = (sum(pair[label] for pair in counts.values()) for label in (0, 1))
    assert (normal, anomalous) == entry.builds[0].counts
    every_file_is_accounted_for(entry, store.root / name, manifest)


@pytest.mark.parametrize("name", EXTENDED)
def test_an_archive_of_the_extended_suite_gives_what_is_in_it(
    name: str, server: Server, store: Store, tmp_path: Path
) -> None:
    archive, entry = published_archive(name, tmp_path, EXTENDED)
    manifest = arrived(entry, archive, server, store, tmp_path / "shards")
    counted = name not in DRAWN
    named = counted and entry.builds[0].digest is None  # what was drawn has another one
    assert manifest.build_name == (entry.builds[0].name if named else None)
    wanted = {it.name: it.counts if counted else DRAWN[name] for it in entry.subsets}
    assert found(manifest) == wanted
    every_file_is_accounted_for(entry, store.root / name, manifest)


def test_the_other_rule_of_elpv_reads_the_same_files(server: Server, store: Store, tmp_path: Path) -> None:
    archive, entry = published_archive("elpv", tmp_path, EXTENDED)
    arrived(entry, archive, server, store, tmp_path / "shards")
    other = record("elpv").accepting("probability at least 0.5")
    manifest = prepare(other, store.root / "elpv", tmp_path / "other", [SIDE], other.expected())
    assert found(manifest) == {"solar cell": (1803, 821)}


@pytest.fixture
def hub(server: Server, tmp_path: Path) -> Server:
    """Real-IAD as its hub has it, for those alone who send the token."""
    for path, content in real_iad(tmp_path).items():
        server.put(f"{HUB}/{path}", content, token="hf_open")  # noqa: S106 - of a server in this test
    return server


def test_a_gated_hub_is_opened_by_the_token_of_the_environment(
    hub: Server, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_open")
    entry = record("real_iad")
    data = obtain(entry, store).path
    assert set(hub.opened) == {"Bearer hf_open"}
    manifest = prepare(entry, data, tmp_path / "shards", [SIDE], entry.expected())
    assert found(manifest) == dict.fromkeys(entry.subset_names, DRAWN["real_iad"])
    every_file_is_accounted_for(entry, data, manifest)

    one = entry.accepting("single view")
    other = prepare(one, data, tmp_path / "one", [SIDE], one.expected())
    assert found(other) == dict.fromkeys(entry.subset_names, (1, 1))
    for path in (*store.root.rglob("*"), store.ledger.path):
        assert not path.is_file() or b"hf_open" not in path.read_bytes()


@pytest.mark.parametrize(
    ("token", "message"),
    [
        (None, r"accept them on https://huggingface\.co/datasets/Real-IAD/Real-IAD, .*HF_TOKEN"),
        ("hf open", "HF_TOKEN of the environment holds no token"),
        ("hf_shut", r"HTTP 401 .*the account of HF_TOKEN must have accepted the terms"),
    ],
)
def test_without_the_token_a_gated_hub_is_refused_with_what_to_do(
    hub: Server, store: Store, monkeypatch: pytest.MonkeyPatch, token: str | None, message: str
) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    if token is not None:
        monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(Exception, match=message) as told:
        obtain(record("real_iad"), store)
    assert token is None or token not in str(told.value)
    assert not (store.root / "real_iad").exists()


def test_the_token_does_not_follow_a_redirect_to_another_host(
    hub: Server, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_open")
    elsewhere = hub.url.replace("127.0.0.1", "localhost")
    for path in list(hub.pages):
        content = hub.pages[path].content
        hub.put(f"/stored{path}", content)
        hub.pages[path].answers.append((302, {"Location": f"{elsewhere}/stored{path}"}))
    obtain(record("real_iad"), store)
    opened = {
        (path.startswith("/stored"), sent) for (path, _), sent in zip(hub.asked, hub.opened, strict=True)
    }
    assert opened == {(False, "Bearer hf_open"), (True, None)}
