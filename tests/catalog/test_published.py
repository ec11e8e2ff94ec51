"""A build that the paper does not use is refused until it is accepted; all 17 are in tests/downloads."""

from pathlib import Path

from pipeline.archives import extract
from pipeline.catalog import DatasetRecord, record
from pipeline.shards import Manifest, prepare

from .published import SIDE, sdd_standard, write_archive


def prepared(archive: Path, entry: DatasetRecord, folder: Path) -> Manifest:
    extract(archive, folder / "data")
    return prepare(entry, folder / "data", folder / "shards", [SIDE], entry.expected())


def test_sdd_by_the_standard_conversion(tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "KolektorSDD.zip", sdd_standard())
    refused = prepared(archive, record("sdd"), tmp_path / "paper").errors["electrical commutators"]
    assert "expected 181 normal, found 286 and expected 74 anomalous, found 54" in refused
    assert "accept this known build in params with `builds: {sdd: 'standard conversion'}`" in refused
    manifest = prepared(archive, record("sdd").accepting("standard conversion"), tmp_path / "standard")
    assert manifest.errors == {}
    assert manifest.build_name == "standard conversion"
