"""Atomic writes, digests and locks."""

import errno
import fcntl
import os
import shutil
import stat
import sys
from pathlib import Path

import pytest

from pipeline.errors import BusyError, as_message
from pipeline.files import (
    Journal,
    atomic_path,
    file_digest,
    make_private,
    only_one,
    read_json,
    scratch_folder,
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


def test_a_fault_names_the_file_that_is_meant(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with pytest.raises(OSError, match="No space left") as caught, atomic_path(path) as temporary:
        raise OSError(errno.ENOSPC, "No space left", str(temporary))
    assert caught.value.filename == str(path)


def test_a_file_system_that_cannot_be_written_names_the_file_that_is_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There even a file that is not there cannot be deleted."""

    def refuse(path: Path, *_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    for name in ("write_bytes", "unlink"):
        monkeypatch.setattr(Path, name, refuse)
    with pytest.raises(OSError, match="Read-only") as caught:
        write_text(tmp_path / "a.txt", "x")
    assert caught.value.filename == str(tmp_path / "a.txt")


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


def test_a_journal_gives_back_what_was_kept(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "new" / "part", "key")
    assert not (tmp_path / "new").exists()
    journal.keep("0", {"a": 0.1, "b": ["\u2028\n"]})
    journal.keep("1", None)
    again = Journal(tmp_path / "new" / "part", "key")
    assert (again.get("0"), again.get("1"), again.get("2")) == ({"a": 0.1, "b": ["\u2028\n"]}, None, None)
    again.remove()
    again.remove()
    assert not list((tmp_path / "new").iterdir())


@pytest.mark.parametrize("cut", [1, 20, 80])
def test_a_journal_goes_on_behind_a_line_that_was_cut_short(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "part"
    journal = Journal(path, "key")
    for part in ("0", "1"):
        journal.keep(part, "value")
    path.write_bytes(path.read_bytes()[:-cut])
    again = Journal(path, "key")
    assert (again.get("0"), again.get("1")) == ("value", None)
    again.keep("1", "anew")
    assert [Journal(path, "key").get(part) for part in ("0", "1")] == ["value", "anew"]


def test_a_journal_of_other_work_or_with_altered_lines_is_not_taken(tmp_path: Path) -> None:
    path = tmp_path / "part"
    for part in ("0", "1"):
        Journal(path, "key").keep(part, 0.25)
    path.write_text(path.read_text().replace("0.25", "0.75", 1))
    assert [Journal(path, "key").get(part) for part in ("0", "1")] == [None, 0.25]
    assert Journal(path, "other").get("1") is None
    path.write_bytes(b"\xff\xfe no journal\n[]")
    assert Journal(path, "key").get("1") is None


def test_a_file_system_without_locks_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(_handle: int, _what: int) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", refuses)
    with pytest.raises(OSError, match="No locks available") as caught, only_one(tmp_path / "one", "busy"):
        pass
    assert as_message(caught.value).endswith(
        "one: No locks available; put it on a file system that has locks"
    )


def test_the_lock_of_a_folder_that_was_thrown_away_is_none(tmp_path: Path) -> None:
    with only_one(tmp_path / "locks/one", "busy"):
        shutil.rmtree(tmp_path / "locks")
        with only_one(tmp_path / "locks/one", "busy"):
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


STAY = """
import time
from pathlib import Path
from pipeline.files import scratch_folder
with scratch_folder(Path(), "run-") as folder:
    (folder / "large").write_bytes(bytes(99))
    print(folder, flush=True)
    time.sleep(600)
"""


def test_a_scratch_folder_outlives_its_process_only_until_the_next_one(tmp_path: Path) -> None:
    project = Project(tmp_path)
    lives, dies = (project.start(sys.executable, "-c", STAY) for _ in range(2))
    held, left = (tmp_path / process.stdout.readline().strip() for process in (lives, dies) if process.stdout)
    dies.kill()
    dies.wait()
    assert (left / "large").exists()
    others = tmp_path / "run-of-an-older-version"
    others.mkdir()
    (tmp_path / "run-link").symlink_to(held)
    with scratch_folder(tmp_path, "run-") as folder:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert not left.exists()
        assert (held / "large").exists()
        assert others.exists()
    assert not folder.exists()
    project.stop()


@pytest.mark.skipif(os.getuid() != 0, reason="NOT TESTED: what another account left; only root can be one")
def test_what_another_account_left_stays(tmp_path: Path) -> None:
    with scratch_folder(tmp_path, "run-") as folder:
        shutil.copytree(folder, tmp_path / "run-of-another")
    os.chown(tmp_path / "run-of-another", 65534, 65534)
    with scratch_folder(tmp_path, "run-"):
        assert (tmp_path / "run-of-another").exists()
    os.chown(tmp_path / "run-of-another", os.getuid(), os.getgid())
    with scratch_folder(tmp_path, "run-"):
        assert not (tmp_path / "run-of-another").exists()
