"""The 17 as published, at their published counts: download, extraction, reader, fingerprint, shards."""

from pathlib import Path

import pytest

from pipeline.catalog import Source, list_samples, names
from pipeline.downloads import Store, obtain
from pipeline.shards import prepare
from tests.catalog.published import SIDE, published_archive
from tests.catalog.trees import fingerprint
from tests.downloads.server import Server
from tests.downloads.sets import http, published


@pytest.mark.parametrize("name", names())
def test_an_archive_gives_the_counts_of_the_paper(
    name: str, server: Server, store: Store, tmp_path: Path
) -> None:
    archive, entry = published_archive(name, tmp_path)
    content = archive.read_bytes()
    file = archive.name.replace(" ", "_")
    source = http(server.put(f"/{file}", content), file, **published(content))
    data = obtain(entry.model_copy(update={"sources": (Source.model_validate(source),)}), store).path
    manifest = prepare(entry, data, tmp_path / "shards", [SIDE], entry.expected())
    assert manifest.errors == {}
    assert manifest.build_name == entry.builds[0].name
    found = {subset.name: (subset.normal, subset.anomalous) for subset in manifest.subsets}
    for subset in entry.subsets:
        assert subset.counts in {None, found[subset.name]}
    normal, anomalous = (sum(counts[label] or 0 for counts in found.values()) for label in (0, 1))
    assert (normal, anomalous) == entry.builds[0].counts

    listing = list_samples(entry, data)
    assert manifest.build == fingerprint(listing, data)[""]
    masks = [sample for sample in listing.samples if sample.mask is not None]
    assert len(masks) == (anomalous if entry.has_masks else 0)
    files = sum(path.is_file() for path in data.rglob("*"))
    consulted = {"visa": 1, "headct": 1, "dagm": 10}.get(name, 0)
    assert files == normal + anomalous + len(masks) + consulted + sum(it.files for it in manifest.ignored)
