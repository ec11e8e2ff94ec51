"""Zip archives: the table at the end lists all members, and all are checked before the first is written.

Programs differ in which table they believe when there are two. So bytes before, between or behind the
members that hold another table, or a member that the table does not list, are refused.
"""

import stat
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from pipeline.archives.rules import Gate, Kind, Member
from pipeline.archives.writer import Writer

_LOCAL, _ENTRY, _END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
_LOCAL_SIZE = 30  # bytes of a local header without name and extra field
_UNIX = 3  # the system whose modes stand in the table
_ENCRYPTED = 0x1
_LONGEST_TARGET = 4096
_LONGEST_GAP = 1 << 20  # bytes that are looked through; members are tens of bytes apart


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
        if any(mark in gap for gap in _gaps(archive, source) for mark in (_LOCAL, _ENTRY, _END)):
            raise zipfile.BadZipFile(
                "more than one table of members, or members that the table does not list"
            )
        for info, member, path in admitted:
            if member.kind == "folder":
                writer.folder(path)
            elif member.kind == "symlink":
                writer.link(member, path)
            else:
                with source.open(info) as content:
                    writer.file(member, path, content)
    writer.finish()


def _gaps(archive: Path, source: zipfile.ZipFile) -> Iterator[bytes]:
    """What lies before, between and behind the members, and the comment at the end."""
    yield source.comment
    at = 0
    with archive.open("rb") as handle:
        for info in sorted(source.infolist(), key=lambda info: info.header_offset):
            yield _between(handle, at, info.header_offset)
            handle.seek(info.header_offset)
            name, extra = struct.unpack("<HH", handle.read(_LOCAL_SIZE)[-4:])
            at = max(at, info.header_offset + _LOCAL_SIZE + name + extra + info.compress_size)
        yield _between(handle, at, source.start_dir)


def _between(handle: IO[bytes], start: int, stop: int) -> bytes:
    handle.seek(start)
    return handle.read(max(0, min(stop - start, _LONGEST_GAP)))


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
