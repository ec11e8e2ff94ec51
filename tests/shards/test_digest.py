"""Prepared data are read again and held against the manifest."""

import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from pipeline.catalog import record
from pipeline.errors import DataError
from pipeline.shards import prepare, verify_subset
from tests.catalog import trees

SIZES = (10, 16)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("endo")
    trees.endo(folder / "data")
    manifest = prepare(record("endo"), folder / "data", folder / "out", SIZES)
    assert set(manifest.subset("colon").digests) == set(SIZES)
    return folder / "out"


@pytest.fixture
def copy(prepared: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(prepared, tmp_path / "endo"))


def test_what_was_prepared_is_whole(copy: Path) -> None:
    for size in SIZES:
        verify_subset(copy, "colon", size)


def test_a_size_that_was_not_prepared(copy: Path) -> None:
    with pytest.raises(DataError, match="colon: damaged"):
        verify_subset(copy, "colon", 12)


@pytest.mark.parametrize(("name", "size"), [("images-10", 10), ("images-16", 16), ("masks-16", 16)])
def test_a_flipped_bit(name: str, size: int, copy: Path) -> None:
    path = copy / f"colon/{name}.npy"
    array = np.load(path)
    array.flat[-1] ^= 1
    np.save(path, array)
    told = (
        f"colon: its content at {size} pixels is not what was prepared; run `dvc repro --force prepare@endo`"
    )
    with pytest.raises(DataError, match=told):
        verify_subset(copy, "colon", size)
    verify_subset(copy, "colon", 26 - size)


def test_another_index(copy: Path) -> None:
    path = copy / "colon/index.parquet"
    table = pq.read_table(path)
    pq.write_table(table.take([1, 0]), path)
    with pytest.raises(DataError, match="is not what was prepared"):
        verify_subset(copy, "colon", 10)


@pytest.mark.parametrize("name", ["index.parquet", "images-10.npy", "masks-10.npy"])
@pytest.mark.parametrize("content", [None, b"", b"\x93NUMPY no"])
def test_a_damaged_file(name: str, content: bytes | None, copy: Path) -> None:
    path = copy / "colon" / name
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(DataError, match=r"colon: damaged \("):
        verify_subset(copy, "colon", 10)
