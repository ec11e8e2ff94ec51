"""Atomic writes, digests and locks."""

import os
import stat
import sys
from pathlib import Path

import pytest

from pipeline.errors import BusyError
from pipeline.files import (
    atomic_path,
    file_digest,
    make_private,
    only_one,
    read_json,
    value_digest,
    write_json,
    write_text,
)
from tests.project import Project

HOLD = """
import time
from pathlib import Path
from pipeline.files import only_one
with only_one(Path("locks/one"), ""):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")

    def fail() -> None:
        with atomic_path(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_write_makes_missing_folders(tmp_path: Path) -> None:
    write_text(tmp_path / "a" / "b" / "c.txt", "x")
    assert (tmp_path / "a" / "b" / "c.txt").read_text() == "x"


def test_a_name_may_be_as_long_as_the_file_system_takes(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 251 + ".txt")
    write_text(path, "x")
    assert list(tmp_path.iterdir()) == [path]


def test_equal_values_have_equal_bytes_and_digests(tmp_path: Path) -> None:
    write_json(tmp_path / "1.json", {"b": 1, "a": [None, 0.1]})
    write_json(tmp_path / "2.json", {"a": [None, 0.1], "b": 1})
    assert file_digest(tmp_path / "1.json") == file_digest(tmp_path / "2.json")
    assert value_digest({"b": 1, "a": 2}) == value_digest({"a": 2, "b": 1})
    assert value_digest({"a": 1}) != value_digest({"a": 2})


def test_not_a_number_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "x.json", float("nan"))


def test_file_digest_is_sha256(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"abc")
    assert file_digest(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_only_one_process_is_inside_and_a_killed_one_lets_the_next_in(tmp_path: Path) -> None:
    project = Project(tmp_path)
    holder = project.start(sys.executable, "-c", HOLD)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        one = tmp_path / "locks" / "one"
        with pytest.raises(BusyError, match="wait for it"), only_one(one, "wait for it"):
            pass
        with only_one(tmp_path / "locks" / "another", "wait for it"):
            pass
    finally:
        project.stop()
    with only_one(tmp_path / "locks" / "one", "wait for it"):
        pass


def test_a_private_folder_is_closed_whatever_the_umask(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    before = os.umask(0)
    try:
        make_private(folder)
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        folder.chmod(0o777)
        make_private(folder)
    finally:
        os.umask(before)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.parametrize("content", ["[" * 100_000, "{", "1" * 2000])
def test_json_from_outside_is_bounded(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(ValueError, match=r"nested too deep|property name|more than 0 MB"):
        read_json(tmp_path / "a.json", most=1000 if content[0] == "1" else 1 << 20)
