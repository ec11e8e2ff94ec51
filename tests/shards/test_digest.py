"""Prepared data are read again and held against the manifest."""

import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from pipeline.catalog import record
from pipeline.errors import DataError
from pipeline.shards import SubsetEntry, prepare, verify_subset
from tests.catalog import trees


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SubsetEntry]:
    folder = tmp_path_factory.mktemp("endo")
    trees.endo(folder / "data")
    manifest = prepare(record("endo"), folder / "data", folder / "out", [16, 10])
    return folder / "out", manifest.subset("colon")


@pytest.fixture
def copy(prepared: tuple[Path, SubsetEntry], tmp_path: Path) -> tuple[Path, SubsetEntry]:
    return Path(shutil.copytree(prepared[0], tmp_path / "out")), prepared[1]


def test_what_was_prepared_is_whole(copy: tuple[Path, SubsetEntry]) -> None:
    assert set(copy[1].digests) == {10, 16}
    verify_subset(*copy)


@pytest.mark.parametrize(("name", "size"), [("images-10", 10), ("images-16", 16), ("masks-16", 16)])
def test_a_flipped_bit(name: str, size: int, copy: tuple[Path, SubsetEntry]) -> None:
    path = copy[0] / f"colon/{name}.npy"
    array = np.load(path)
    array.flat[-1] ^= 1
    np.save(path, array)
    with pytest.raises(DataError, match=f"colon: its content at {size} pixels has changed; prepare the data"):
        verify_subset(*copy)


def test_another_index(copy: tuple[Path, SubsetEntry]) -> None:
    path = copy[0] / "colon/index.parquet"
    table = pq.read_table(path)
    pq.write_table(table.take([1, 0]), path)
    with pytest.raises(DataError, match="has changed"):
        verify_subset(*copy)


@pytest.mark.parametrize("name", ["index.parquet", "images-10.npy", "masks-10.npy"])
@pytest.mark.parametrize("content", [None, b"", b"\x93NUMPY no"])
def test_a_damaged_file(name: str, content: bytes | None, copy: tuple[Path, SubsetEntry]) -> None:
    path = copy[0] / "colon" / name
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(DataError, match=r"colon: damaged \("):
        verify_subset(*copy)
