"""The published archives at their published counts, from the archive to the shards."""

from pathlib import Path

import pytest

from pipeline.archives import extract
from pipeline.catalog import DatasetRecord, fingerprint, list_samples, names, record
from pipeline.shards import Manifest, prepare

from .published import SIDE, published_archive, sdd_standard, write_archive


def prepared(archive: Path, entry: DatasetRecord, folder: Path) -> Manifest:
    extract(archive, folder / "data")
    return prepare(entry, folder / "data", folder / "shards", [SIDE], entry.expected())


@pytest.mark.parametrize("name", names())
def test_an_archive_gives_the_counts_of_the_paper(name: str, tmp_path: Path) -> None:
    archive, entry = published_archive(name, tmp_path)
    manifest = prepared(archive, entry, tmp_path)
    assert manifest.errors == {}
    assert manifest.build_name == entry.builds[0].name
    found = {subset.name: (subset.normal, subset.anomalous) for subset in manifest.subsets}
    for subset in entry.subsets:
        assert subset.counts in {None, found[subset.name]}
    normal, anomalous = (sum(counts[label] or 0 for counts in found.values()) for label in (0, 1))
    assert (normal, anomalous) == entry.builds[0].counts

    listing = list_samples(entry, tmp_path / "data")
    assert manifest.build == fingerprint(listing, tmp_path / "data").build
    masks = [sample for sample in listing.samples if sample.mask is not None]
    assert len(masks) == (anomalous if entry.has_masks else 0)
    files = sum(path.is_file() for path in (tmp_path / "data").rglob("*"))
    consulted = {"visa": 1, "headct": 1, "dagm": 10}.get(name, 0)
    assert files == normal + anomalous + len(masks) + consulted + sum(it.files for it in manifest.ignored)


def test_sdd_by_the_standard_conversion(tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "KolektorSDD.zip", sdd_standard())
    refused = prepared(archive, record("sdd"), tmp_path / "paper").errors["electrical commutators"]
    assert "expected 181 normal, found 286 and expected 74 anomalous, found 54" in refused
    assert "accept this known build in params with `builds: {sdd: 'standard conversion'}`" in refused
    manifest = prepared(archive, record("sdd").accepting("standard conversion"), tmp_path / "standard")
    assert manifest.errors == {}
    assert manifest.build_name == "standard conversion"
