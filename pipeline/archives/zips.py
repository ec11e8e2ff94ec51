"""Zip archives: the table at the end lists all members, and all are checked before the first is written."""

import stat
import zipfile
from pathlib import Path

from pipeline.archives.rules import Gate, Kind, Member
from pipeline.archives.writer import Writer

_UNIX = 3  # the system whose modes stand in the table
_ENCRYPTED = 0x1
_LONGEST_TARGET = 4096


def unpack_zip(archive: Path, out: Path, gate: Gate) -> None:
    """Write all members below `out`.

    Raises:
        DataError: a member is refused.
        zipfile.BadZipFile: damaged.
        NotImplementedError: a compression that Python does not know.
    """
    writer = Writer(out, gate)
    with zipfile.ZipFile(archive) as source:
        admitted = []
        for info in source.infolist():
            member = _member(source, info)
            admitted.append((info, member, gate.admit(member)))
        for info, member, path in admitted:
            if member.kind == "folder":
                writer.folder(path)
            elif member.kind == "symlink":
                writer.link(member, path)
            else:
                with source.open(info) as content:
                    writer.file(member, path, content)
    writer.finish()


def _member(source: zipfile.ZipFile, info: zipfile.ZipInfo) -> Member:
    """What the table says; the target of a link is its content."""
    # `filename` is cut at a NUL and is rewritten on some systems; what was written decides.
    name = info.orig_filename
    encrypted = bool(info.flag_bits & _ENCRYPTED)
    kind = _kind(info)
    if kind != "symlink":
        return Member(name, kind, info.file_size, encrypted=encrypted)
    if encrypted or info.file_size > _LONGEST_TARGET:
        return Member(name, "other", encrypted=encrypted)
    return Member(name, kind, target=source.read(info).decode("utf-8", "replace"))


def _kind(info: zipfile.ZipInfo) -> Kind:
    mode = info.external_attr >> 16 if info.create_system == _UNIX else 0
    if stat.S_ISLNK(mode):
        return "symlink"
    if info.is_dir():
        return "folder"
    return "file" if stat.S_IFMT(mode) in {0, stat.S_IFREG} else "other"
