"""RAR archives by either program, and by one where the other fails."""

import os
import shutil
from pathlib import Path

import pytest

from pipeline.archives import extract, rules
from pipeline.errors import DataError

from . import make
from .make import Entry, refused

RAR_PROGRAMS = ("bsdtar", "unar")
needs_unar = pytest.mark.skipif(shutil.which("unar") is None, reason="needs the program unar")
needs_rar = pytest.mark.skipif(not any(map(shutil.which, RAR_PROGRAMS)), reason="needs bsdtar or unar")


@pytest.fixture(params=RAR_PROGRAMS)
def one_program(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> str:
    """One program reads RAR archives, the other is not there."""
    return only(request.param, tmp_path_factory.mktemp("bin"), monkeypatch)


def only(program: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    if shutil.which(program) is None:
        pytest.skip(f"needs the program {program}")
    for name in {"bsdtar": ("bsdtar", "cat"), "unar": ("unar", "lsar")}[program]:
        (folder / name).symlink_to(str(shutil.which(name)))
    monkeypatch.setenv("PATH", str(folder))
    return program


def test_volumes(one_program: str, tmp_path: Path) -> None:
    content = os.urandom(5000)
    first = make.rar_volumes(tmp_path, Entry("a.txt", b"a"), Entry("b/c.bin", content))
    extract(first, tmp_path / "out")
    assert (tmp_path / "out/b/c.bin").read_bytes() == content
    (tmp_path / "set.part2.rar").unlink()
    refused(first, tmp_path / "again", "the volume behind set.part1.rar is missing")


def test_either_program(one_program: str, tmp_path: Path) -> None:
    entries = Entry("a b", folder=True), Entry("a b/Ä.png", bytes(range(256))), Entry("e", b"")
    extract(make.rar(tmp_path / "a.rar", entries), tmp_path / "out")
    assert (tmp_path / "out/a b/Ä.png").read_bytes() == bytes(range(256))
    assert (tmp_path / "out/e").read_bytes() == b""
    refused(make.rar(tmp_path / "b.rar", [Entry("../up")]), tmp_path / "b", "leads out of the archive")
    refused(
        make.rar(tmp_path / "l.rar", [Entry("l", symlink="/etc/passwd")]),
        tmp_path / "l",
        "no plain|leads out",
    )


@pytest.mark.skipif(not all(map(shutil.which, RAR_PROGRAMS)), reason="needs bsdtar and unar")
@pytest.mark.parametrize("does", ["exit 1", "echo no tar", "head -c 1024 /dev/zero; exit 1"])
def test_unar_reads_what_bsdtar_does_not(does: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = make.rar(tmp_path / "a.rar", [Entry("a", b"whole")])
    fake(tmp_path / "bin", "bsdtar", does, monkeypatch)
    extract(archive, tmp_path / "out")
    assert (tmp_path / "out/a").read_bytes() == b"whole"


@needs_rar
@pytest.mark.parametrize(
    ("verified", "advice"), [(False, "get it anew from its publisher"), (True, "its digest is right")]
)
def test_programs_that_fail_are_named(
    verified: bool, advice: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = make.rar(tmp_path / "a.rar", [Entry("a")])
    fake(tmp_path / "bin", "bsdtar", "echo lost its way >&2; exit 1", monkeypatch)
    for program in ("lsar", "unar"):
        fake(tmp_path / "bin", program, "echo Failed; exit 1", monkeypatch)
    with pytest.raises(DataError) as caught:
        extract(archive, tmp_path / "out", verified=verified)
    told = "bsdtar could not read it (lost its way); unar could not read it (Failed)"
    assert str(caught.value).startswith(f"{archive}: {told}; {advice}")


def test_the_program_that_is_not_there_is_advised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = make.rar(tmp_path / "a.rar", [Entry("a")])
    for program in ("lsar", "unar"):
        fake(tmp_path / "bin", program, "echo Failed; exit 1", monkeypatch)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    for verified in (False, True):
        with pytest.raises(
            DataError, match=r"unar could not read it \(Failed\); install libarchive-tools, which"
        ):
            extract(archive, tmp_path / "out", verified=verified)


def fake(folder: Path, name: str, does: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program of this name that does something else, before all others."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{does}\n")
    (folder / name).chmod(0o755)
    if str(folder) not in os.environ["PATH"].split(os.pathsep):
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


@needs_rar
def test_the_weight_of_all_volumes_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "HARMLESS_BYTES", 0)
    monkeypatch.setattr(rules, "MAX_RATIO", 1)
    extract(make.rar_volumes(tmp_path, Entry("a"), Entry("b", os.urandom(5000))), tmp_path / "out")
    assert (tmp_path / "out/b").stat().st_size == 5000


@needs_unar
@pytest.mark.parametrize("does", ["echo more > $out/more", "ln -s / $out/a", "echo longer > $out/a", ""])
def test_what_unar_wrote_is_held_against_its_list(
    does: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = make.rar(tmp_path / "a.rar", [Entry("a")])
    fake(tmp_path / "bin", "bsdtar", "exit 1", monkeypatch)
    fake(tmp_path / "bin", "unar", f"for last; do out=$kept; kept=$last; done\n{does}", monkeypatch)
    refused(archive, tmp_path / "out", "no plain file|not what the list|was not unpacked")


def test_without_any_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = make.rar(tmp_path / "a.rar", [Entry("a")])
    monkeypatch.setenv("PATH", "/nowhere")
    refused(
        archive, tmp_path / "out", "install libarchive-tools, which brings bsdtar or unar, which brings unar"
    )
