import bz2
import fcntl
import gzip
import lzma
import os
import shutil
import stat
import struct
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from pipeline.archives import extract, rules
from pipeline.errors import DataError

from . import make
from .make import Entry, refused

RAR_PROGRAMS = ("bsdtar", "unar")


FORMATS: dict[str, Callable[[Path, Sequence[Entry]], Path]] = {
    "a.tar": make.tar,
    "a.tar.gz": lambda path, entries: make.tar(path, entries, gzip.compress),
    "a.tar.bz2": lambda path, entries: make.tar(path, entries, bz2.compress),
    "a.tar.xz": lambda path, entries: make.tar(path, entries, lzma.compress),
    "a.zip": make.zipped,
    "a.rar": make.rar,
}
ONE_EACH = ("a.tar", "a.zip", "a.rar")


def written(name: str, folder: Path, *entries: Entry) -> Path:
    if name.endswith("rar") and not any(map(shutil.which, RAR_PROGRAMS)):
        pytest.skip("needs bsdtar or unar")
    return FORMATS[name](folder / name, entries)


@pytest.mark.parametrize("name", FORMATS)
def test_every_format(name: str, tmp_path: Path) -> None:
    big = bytes(range(256)) * 9000
    archive = written(
        name,
        tmp_path,
        Entry("top", folder=True),
        Entry("top/Ä b (1).png", big, mode=0o4777),
        Entry("top/deep/er/x.txt", b""),
        Entry("empty", folder=True),
    )
    into = tmp_path / "out/set"
    into.mkdir(parents=True)
    extract(archive, into)
    found = {path.relative_to(into).as_posix() for path in into.rglob("*")}
    assert found == {"top", "top/Ä b (1).png", "top/deep", "top/deep/er", "top/deep/er/x.txt", "empty"}
    image = into / "top/Ä b (1).png"
    assert image.read_bytes() == big
    assert not image.stat().st_mode & (stat.S_ISUID | stat.S_IXUSR | stat.S_IWOTH)
    assert image.stat().st_uid == os.getuid()
    assert [path.name for path in into.parent.iterdir()] == ["set"]


def test_folders_above_are_made(tmp_path: Path) -> None:
    archive = written("a.zip", tmp_path, Entry("a.png", b"x"))
    extract(archive, tmp_path / "not/yet/there")
    assert (tmp_path / "not/yet/there/a.png").read_bytes() == b"x"


def test_a_dot_in_front_is_no_harm(tmp_path: Path) -> None:
    extract(written("a.tar", tmp_path, Entry(".", folder=True), Entry("./b/./c", b"c")), tmp_path / "out")
    assert (tmp_path / "out/b/c").read_bytes() == b"c"


@pytest.mark.parametrize("name", ONE_EACH)
@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("../up.txt", "leads out of the archive"),
        ("a/../../up.txt", "leads out of the archive"),
        ("a/../b.txt", "leads out of the archive"),
        ("/absolute.txt", "absolute path"),
        ("C:/windows.txt", "absolute path"),
        ("..\\up.txt", "backslash"),
        ("a\tb", "cannot be written"),
        ("CON", "Windows"),
        ("a/nul.png", "Windows"),
        ("Com1 .txt/b", "Windows"),
        ("a.", "Windows"),
        ("a /b", "Windows"),
        ("c:stream", "absolute path|Windows"),
        ("cc:stream", "Windows"),
        ("x*y", "Windows"),
        ('say "x".png', "Windows"),
        ("why?.png", "Windows"),
        ("n" * 256, "too long"),
        ("n/" * 600 + "n", "too long"),
    ],
)
def test_names(name: str, path: str, message: str, tmp_path: Path) -> None:
    refused(written(name, tmp_path, Entry("fine.txt"), Entry(path)), tmp_path / "out", message)


def test_a_name_that_is_cut_at_its_nul(tmp_path: Path) -> None:
    archive = written("a.zip", tmp_path, Entry("aaaaQ../x"))
    archive.write_bytes(archive.read_bytes().replace(b"aaaaQ", b"aaaa\0"))
    refused(archive, tmp_path / "out", "cannot be written")


@pytest.mark.parametrize("damaged", [(b"\xc3\x84", b"\xff\x84"), (b"PK\3\4", b"PK\3\5")])
def test_a_damaged_zip(damaged: tuple[bytes, bytes], tmp_path: Path) -> None:
    archive = written("a.zip", tmp_path, Entry("\u00c4.png"))
    archive.write_bytes(archive.read_bytes().replace(*damaged))
    refused(archive, tmp_path / "out", r"a\.zip: damaged \(")


@pytest.mark.parametrize("name", ONE_EACH)
@pytest.mark.parametrize("target", ["../../etc/passwd", "/etc/passwd", "../..", "C:/x", "..\\x"])
def test_symlinks_that_lead_out(name: str, target: str, tmp_path: Path) -> None:
    message = (
        "no plain file|leads out of the archive, to " if name == "a.rar" else "leads out of the archive, to "
    )
    refused(written(name, tmp_path, Entry("a/link", symlink=target)), tmp_path / "out", message)


@pytest.mark.parametrize("target", ["../outside.txt", "/etc/passwd"])
def test_hard_links_that_lead_out(target: str, tmp_path: Path) -> None:
    (tmp_path / "outside.txt").write_text("mine")
    refused(written("a.tar", tmp_path, Entry("link", hardlink=target)), tmp_path / "out", "leads out")


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    entries = Entry("here", folder=True), Entry("link", symlink="here"), Entry("link/file.txt")
    refused(written("a.tar", tmp_path, *entries), tmp_path / "out", "below a file")


@pytest.mark.parametrize("entry", [Entry("l", symlink="nothing"), Entry("l", hardlink="nothing")])
def test_links_to_nothing(entry: Entry, tmp_path: Path) -> None:
    refused(written("a.tar", tmp_path, Entry("a"), entry), tmp_path / "out", "no file of the archive")


def test_links_inside_become_files(tmp_path: Path) -> None:
    entries = (
        Entry("masks/a.png", symlink="../all/a.png"),
        Entry("all/a.png", b"image"),
        Entry("again.png", hardlink="all/a.png"),
    )
    extract(written("a.tar", tmp_path, *entries), tmp_path / "out")
    for path in ("masks/a.png", "again.png"):
        assert (tmp_path / "out" / path).read_bytes() == b"image"
        assert not (tmp_path / "out" / path).is_symlink()
    extract(written("a.zip", tmp_path, *entries[:2]), tmp_path / "zip")
    assert (tmp_path / "zip/masks/a.png").read_bytes() == b"image"


@pytest.mark.parametrize("name", ["a.tar", "a.zip"])
def test_devices(name: str, tmp_path: Path) -> None:
    refused(written(name, tmp_path, Entry("null", device=True)), tmp_path / "out", "'null' is no plain file")


@pytest.mark.parametrize("name", ONE_EACH)
@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (Entry("a/x.png", b"1"), Entry("a/x.png", b"2"), "twice"),
        (Entry("a/x.png"), Entry("./a/x.png"), "twice"),
        (Entry("a/x.png"), Entry("a", b"2"), "twice"),
        (Entry("a/x.png"), Entry("a/X.png"), "in case alone"),
        (Entry("a/x.png"), Entry("A/y.png"), "in case alone"),
        (Entry("\u00e4.png"), Entry("a\u0308.png"), "in case alone|twice"),
        (Entry("a"), Entry("a/x.png"), "below a file"),
    ],
)
def test_names_that_are_there_twice(
    name: str, first: Entry, second: Entry, message: str, tmp_path: Path
) -> None:
    refused(written(name, tmp_path, first, second), tmp_path / "out", message)


@pytest.mark.parametrize("name", FORMATS)
def test_bombs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "HARMLESS_BYTES", 1 << 20)
    monkeypatch.setattr(rules, "MAX_RATIO", 0.5 if name in {"a.tar", "a.rar"} else 100)
    zeros = bytes(1 << 20)
    archive = written(name, tmp_path, *(Entry(f"{number}.bmp", zeros) for number in range(3)))
    refused(archive, tmp_path / "out", "times as large unpacked as packed")


def test_the_limits_leave_room_for_data_sets() -> None:
    assert rules.MAX_MEMBERS >= 100_000  # COVID-19 Radiography, release 3: 42,330 images and masks
    assert rules.MAX_RATIO >= 20
    assert rules.HARMLESS_BYTES <= 1 << 30


@pytest.mark.parametrize("name", ONE_EACH)
def test_too_many_members(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "MAX_MEMBERS", 3)
    archive = written(name, tmp_path, *(Entry(str(number)) for number in range(4)))
    refused(archive, tmp_path / "out", "'3' is one too many")


@pytest.mark.parametrize("name", ONE_EACH)
def test_a_full_disk_is_seen_in_advance(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    refused(written(name, tmp_path, Entry("big", bytes(2000))), tmp_path / "out", "make room")


def test_encrypted_zip(tmp_path: Path) -> None:
    archive = make.encrypted(written("a.zip", tmp_path, Entry("a.png", b"secret")))
    refused(archive, tmp_path / "out", "'a.png' is encrypted")


def test_sizes_that_are_not_as_declared(tmp_path: Path) -> None:
    archive = written("a.zip", tmp_path, Entry("a.png", bytes(5000)))
    refused(make.declaring(archive, 100), tmp_path / "out", "damaged")
    refused(make.declaring(archive, 9000), tmp_path / "out", "does not have the 9000 bytes")


def _cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def _flip(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 0xFF]) + content[middle + 1 :]


@pytest.mark.parametrize("change", [_cut, _flip])
@pytest.mark.parametrize("name", FORMATS)
def test_damage(name: str, change: Callable[[bytes], bytes], tmp_path: Path) -> None:
    if name == "a.tar" and change is _flip:
        pytest.skip("a plain tar has no checksum of its content; the digest of the archive tells")
    archive = written(name, tmp_path, *(Entry(f"{number}.bin", os.urandom(3000)) for number in range(4)))
    archive.write_bytes(change(archive.read_bytes()))
    refused(archive, tmp_path / "out", "damaged|could not read|not what the list|cut off|another checksum")


@pytest.mark.parametrize("cut", [1024, 1024 + 100])
def test_a_tar_that_ends_between_two_members(cut: int, tmp_path: Path) -> None:
    archive = written("a.tar", tmp_path, Entry("a", b"a"), Entry("b", b"b"))
    archive.write_bytes(archive.read_bytes()[:cut])
    refused(archive, tmp_path / "out", "cut off or damaged")


def test_a_tar_with_a_damaged_header(tmp_path: Path) -> None:
    archive = written("a.tar", tmp_path, Entry("a", b"a"), Entry("b", b"b"))
    content = bytearray(archive.read_bytes())
    content[1024 + 150] ^= 0xFF  # the checksum of the second header
    archive.write_bytes(content)
    refused(archive, tmp_path / "out", "cut off or damaged")


def test_a_header_that_would_fill_the_memory(tmp_path: Path) -> None:
    archive = written("a.tar.xz", tmp_path, Entry("n" * (3 << 20)))
    refused(archive, tmp_path / "out", "a header that is too large")


@pytest.mark.parametrize("content", [b"", b"<!doctype html><p>sign in", b"PK", bytes(1024)])
def test_what_is_no_archive(content: bytes, tmp_path: Path) -> None:
    archive = tmp_path / "set.zip"
    archive.write_bytes(content)
    refused(archive, tmp_path / "out", "neither a tar nor a zip nor a RAR|damaged")


def _two_tables(path: Path) -> Path:
    """Two members; behind the end record a second table that lists the first one only."""
    content = written("a.zip", path, Entry("a", b"1"), Entry("b", b"2")).read_bytes()
    table = content.index(b"PK\1\2")
    one = content[table : content.index(b"PK\1\2", table + 1)]
    record = b"PK\5\6" + struct.pack("<4H2LH", 0, 0, 1, 1, len(one), len(content), 0)
    (path / "a.zip").write_bytes(content + one + record)
    assert zipfile.ZipFile(path / "a.zip").namelist() == ["a"]
    return path / "a.zip"


def _empty_behind(path: Path) -> Path:
    archive = written("a.zip", path, Entry("a", b"1"))
    archive.write_bytes(archive.read_bytes() + b"PK\5\6" + bytes(18))
    return archive


def _two_archives(path: Path) -> Path:
    first = written("a.zip", path, Entry("a", b"1")).read_bytes()
    archive = written("a.zip", path, Entry("b", b"2"))
    archive.write_bytes(first + archive.read_bytes())
    return archive


def _zeros(path: Path) -> Path:
    (path / "a.tar.gz").write_bytes(gzip.compress(bytes(10240)))
    return path / "a.tar.gz"


def _only_folders(path: Path) -> Path:
    return written("a.tar", path, Entry("a", folder=True))


def _no_rar_member(path: Path) -> Path:
    return written("a.rar", path)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (_two_tables, "more than one table of members"),
        (_two_archives, "more than one table of members"),
        (_empty_behind, "no file in it|more than one table"),
        (_zeros, "no file in it; get it anew"),
        (_only_folders, "no file in it"),
        (_no_rar_member, "no file in it|could not read"),
        (lambda path: written("a.zip", path), "no file in it"),
    ],
)
def test_archives_that_are_empty_or_two_in_one(
    build: Callable[[Path], Path], message: str, tmp_path: Path
) -> None:
    refused(build(tmp_path), tmp_path / "out", message)


def test_an_archive_that_is_not_there(tmp_path: Path) -> None:
    refused(tmp_path / "no.zip", tmp_path / "out", "No such file")


def test_what_is_there_is_not_touched(tmp_path: Path) -> None:
    archive = written("a.tar", tmp_path, Entry("a"))
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine").write_text("mine")
    with pytest.raises(DataError, match="already there"):
        extract(archive, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine"]
    (tmp_path / "file").write_text("mine")
    with pytest.raises(DataError, match="already there"):
        extract(archive, tmp_path / "file")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DataError, match="already there"):
        extract(archive, tmp_path / "link")


def test_two_processes(tmp_path: Path) -> None:
    archive = written("a.tar", tmp_path, Entry("a"))
    (tmp_path / ".out.unpacking").mkdir()
    handle = os.open(tmp_path / ".out.unpacking", os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    with pytest.raises(DataError, match="another process"):
        extract(archive, tmp_path / "out")
    os.close(handle)
    extract(archive, tmp_path / "out")
    assert not (tmp_path / ".out.unpacking").exists()


def test_a_kill_leaves_nothing_that_looks_like_data(tmp_path: Path) -> None:
    entries = (Entry(f"{number}.bin", os.urandom(1 << 10)) for number in range(20_000))
    archive = written("a.tar", tmp_path, *entries)
    code = "import sys; from pathlib import Path; from pipeline.archives import extract; "
    code += "extract(*map(Path, sys.argv[1:]))"
    process = subprocess.Popen([sys.executable, "-c", code, archive, tmp_path / "out"])
    deadline = time.monotonic() + 30
    while not any((tmp_path / ".out.unpacking").glob("*")):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    assert process.wait() == -9
    assert not (tmp_path / "out").exists()
    shutil.copy(make.tar(tmp_path / "small.tar", [Entry("a")]), archive)
    extract(archive, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a"]
    assert not (tmp_path / ".out.unpacking").exists()


def test_an_interrupt_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "sync", interrupt)
    archive = written("a.tar", tmp_path, Entry("a"))
    with pytest.raises(KeyboardInterrupt):
        extract(archive, tmp_path / "out")
    assert list(tmp_path.iterdir()) == [archive]
