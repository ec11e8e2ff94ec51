"""Prepared files that are not what was prepared: forged, endless, or not readable now."""

import errno
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.catalog import record
from pipeline.catalog.images import read_image
from pipeline.errors import DataError
from pipeline.shards import open_subset, prepare, read_manifest, verify_subset
from pipeline.shards.reader import INDEX_SCHEMA
from tests.project import ROOT

NAME = "0001.bmp"


def prepared(folder: Path) -> Path:
    prepare(record("btad"), ROOT / "samples/btad", folder / "out", (28,))
    return folder / "out"


def test_an_index_that_unpacks_to_more_than_an_index_is_refused_and_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A small file can say that it holds gigabytes, or hold columns that nobody asked for."""
    out = prepared(tmp_path)
    index = out / "01" / "index.parquet"
    row = {"image": "x" * 20_000, "mask": None, "label": 0, "defect": "good", "width": 1, "height": 1}
    pq.write_table(pa.Table.from_pylist([row] * 100, INDEX_SCHEMA), index, store_schema=False)
    assert index.stat().st_size < 1 << 20
    monkeypatch.setattr("pipeline.shards.reader._MOST_BYTES", 1 << 20)
    for read in (open_subset, verify_subset):
        with pytest.raises(DataError, match=r"damaged \(index\.parquet has more than 1 MB of rows\)"):
            read(out, "01", 28)
    pq.write_table(pa.table({"image": ["a"]}), index)
    with pytest.raises(DataError, match=r"the columns of index\.parquet are others"):
        open_subset(out, "01", 28)


@pytest.mark.parametrize("name", ["manifest.json", "01/index.parquet", "01/images-28.npy", "01/masks-28.npy"])
def test_a_pipe_among_prepared_files_is_not_waited_for(tmp_path: Path, name: str) -> None:
    out = prepared(tmp_path)
    (out / name).unlink()
    os.mkfifo(out / name)
    with pytest.raises(OSError, match="Not a regular file"):
        open_subset(out, "01", 28)


@pytest.mark.parametrize("content", [b"[" * 100_000, b"[]", b"{", b'{"version": 1}'])
def test_a_forged_manifest_is_damaged(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "manifest.json").write_bytes(content)
    with pytest.raises(DataError, match="damaged or of another version"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("number", [errno.EIO, errno.EMFILE, errno.EACCES])
def test_a_fault_of_the_machine_is_no_fact_about_an_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """What is kept as one would stand in the manifest for ever, since DVC sees no change."""

    def read(path: Path, name: str) -> bytes:
        if path.name == NAME:
            raise OSError(number, os.strerror(number), str(path))
        return read_image(path, name)

    monkeypatch.setattr("pipeline.shards.arrays.read_image", read)
    with pytest.raises(OSError, match=NAME):
        prepared(tmp_path)
    assert not (tmp_path / "out/manifest.json").exists()
