"""Archives written by hand, good and hostile: `tar`, `zipped` and `rar` take the same members."""

import io
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline.archives import extract
from pipeline.errors import DataError


@dataclass(frozen=True)
class Entry:
    """A member: a file unless a flag says otherwise."""

    name: str
    content: bytes = b"x"
    folder: bool = False
    symlink: str | None = None
    hardlink: str | None = None
    device: bool = False
    mode: int = 0o644


def tar(path: Path, entries: Sequence[Entry], pack: Callable[[bytes], bytes] = bytes) -> Path:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:") as archive:
        for entry in entries:
            info = tarfile.TarInfo(entry.name)
            info.mode = entry.mode
            info.uid = info.gid = 12345
            if entry.folder:
                info.type = tarfile.DIRTYPE
            elif entry.symlink is not None:
                info.type, info.linkname = tarfile.SYMTYPE, entry.symlink
            elif entry.hardlink is not None:
                info.type, info.linkname = tarfile.LNKTYPE, entry.hardlink
            elif entry.device:
                info.type, info.devmajor, info.devminor = tarfile.CHRTYPE, 1, 3
            else:
                info.size = len(entry.content)
            archive.addfile(info, io.BytesIO(entry.content) if info.isreg() else None)
    path.write_bytes(pack(buffer.getvalue()))
    return path


def zipped(path: Path, entries: Sequence[Entry]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry in entries:
            info = zipfile.ZipInfo(entry.name + "/" * entry.folder)
            info.filename = info.orig_filename  # as written, whatever the class made of it
            info.create_system = 3
            info.compress_type = zipfile.ZIP_DEFLATED
            kind = stat.S_IFDIR if entry.folder else stat.S_IFCHR if entry.device else stat.S_IFREG
            content = b"" if entry.folder or entry.device else entry.content
            if entry.symlink is not None:
                kind, content = stat.S_IFLNK, entry.symlink.encode()
            info.external_attr = (kind | entry.mode) << 16
            archive.writestr(info, content)
    return path


def rar(path: Path, entries: Sequence[Entry]) -> Path:
    """A stored RAR 5 archive, after the published description of the format."""
    path.write_bytes(_rar_volume([_rar_file(entry) for entry in entries]))
    return path


def rar_volumes(folder: Path, first: Entry, split: Entry) -> Path:
    """Two volumes; the content of `split` lies half in the one, half in the other. Returns the first."""
    middle = len(split.content) // 2
    head, tail = split.content[:middle], split.content[middle:]
    one = [_rar_file(first), _rar_file(split, head, flags=0x10, crc=zlib.crc32(head))]
    two = [_rar_file(split, tail, flags=0x08)]
    (folder / "set.part1.rar").write_bytes(_rar_volume(one, number=0, last=False))
    (folder / "set.part2.rar").write_bytes(_rar_volume(two, number=1))
    return folder / "set.part1.rar"


def _number(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _rar_block(kind: int, flags: int, fields: bytes, data: bytes | None = None, extra: bytes = b"") -> bytes:
    head = _number(kind) + _number(flags | bool(extra) | (data is not None) << 1)
    head += _number(len(extra)) if extra else b""
    head += b"" if data is None else _number(len(data))
    sized = _number(len(head + fields + extra)) + head + fields + extra
    return struct.pack("<I", zlib.crc32(sized)) + sized + (data or b"")


def _rar_file(entry: Entry, part: bytes | None = None, flags: int = 0, crc: int | None = None) -> bytes:
    content = b"" if entry.folder or entry.symlink else entry.content
    data = content if part is None else part
    kind = stat.S_IFDIR if entry.folder else stat.S_IFLNK if entry.symlink else stat.S_IFREG
    fields = _number(1 if entry.folder else 4) + _number(len(content)) + _number(kind | entry.mode)
    if not entry.folder:
        fields += struct.pack("<I", zlib.crc32(content) if crc is None else crc)
    name = entry.name.encode()
    fields += _number(0) + _number(1) + _number(len(name)) + name
    extra = b""
    if entry.symlink:
        target = entry.symlink.encode()
        record = _number(5) + _number(1) + _number(0) + _number(len(target)) + target
        extra = _number(len(record)) + record
    return _rar_block(2, flags, fields, data, extra)


def _rar_volume(blocks: Sequence[bytes], number: int | None = None, *, last: bool = True) -> bytes:
    fields = _number(0) if number is None else _number(1) if number == 0 else _number(3) + _number(number)
    end = _rar_block(5, 0, _number(0 if last else 1))
    return b"Rar!\x1a\x07\x01\x00" + _rar_block(1, 0, fields) + b"".join(blocks) + end


def encrypted(path: Path) -> Path:
    """Set the flag of encryption on every member of a zip."""
    content = bytearray(path.read_bytes())
    for magic, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = content.find(magic)
        while start >= 0:
            content[start + offset] |= 1
            start = content.find(magic, start + 1)
    path.write_bytes(content)
    return path


def declaring(path: Path, size: int) -> Path:
    """Make the table of a zip declare another unpacked size for its only member."""
    content = bytearray(path.read_bytes())
    start = content.find(b"PK\x01\x02")
    content[start + 24 : start + 28] = struct.pack("<I", size)
    path.write_bytes(content)
    return path


def refused(archive: Path, into: Path, message: str) -> None:
    """`archive` is refused with one message, and nothing is left of it anywhere."""
    before = set(archive.parent.rglob("*"))
    with pytest.raises(DataError, match=message) as caught:
        extract(archive, into)
    assert str(archive) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert set(archive.parent.rglob("*")) == before
