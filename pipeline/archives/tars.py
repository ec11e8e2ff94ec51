"""Tar archives, plain or packed by gzip, bzip2 or xz: one pass, each member checked before it is written.

Python's `tarfile` ends without an error where a header is damaged or missing; a whole archive ends with a
block of zeros, so the last block tells.
"""

import bz2
import gzip
import io
import lzma
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, Final

from pipeline.archives.rules import Gate, Kind, Member
from pipeline.archives.writer import Writer

_OPENED_BY: Final[Mapping[bytes, Callable[..., Any]]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
}
_BLOCK = 512
_LARGEST_READ = 1 << 20  # headers are read whole: names that are longer than this are no names
_KINDS: Final[tuple[tuple[Callable[[tarfile.TarInfo], bool], Kind], ...]] = (
    (tarfile.TarInfo.isreg, "file"),
    (tarfile.TarInfo.isdir, "folder"),
    (tarfile.TarInfo.issym, "symlink"),
    (tarfile.TarInfo.islnk, "hardlink"),
)


def is_tar(archive: Path) -> bool:
    """Whether a file is a tar archive, or packed as one may be.

    Raises:
        OSError: it cannot be read.
    """
    if _packing(archive) is not None:
        return True
    try:
        with archive.open("rb") as handle:
            tarfile.TarInfo.frombuf(handle.read(_BLOCK), "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


def unpack_tar(archive: Path, out: Path, gate: Gate) -> None:
    """Write all members below `out`.

    Raises:
        DataError: a member is refused.
        tarfile.TarError, OSError, EOFError, lzma.LZMAError: damaged.
    """
    writer = Writer(out, gate)
    with _opened(archive) as packed, _Stream(packed) as stream:
        with tarfile.open(fileobj=stream, mode="r:") as source:
            write_members(source, writer, gate)
        if stream.last != bytes(_BLOCK):
            raise tarfile.ReadError("cut off or damaged")
        while packed.read(_LARGEST_READ):
            pass  # checksums of packed streams stand at their end
    writer.finish()


def write_members(source: tarfile.TarFile, writer: Writer, gate: Gate) -> None:
    """Write all members of an open archive, in their order.

    Raises:
        DataError: a member is refused.
    """
    for info in source:
        _write(source, info, writer, gate)


def _write(source: tarfile.TarFile, info: tarfile.TarInfo, writer: Writer, gate: Gate) -> None:
    kind: Kind = next((kind for is_kind, kind in _KINDS if is_kind(info)), "other")
    member = Member(info.name, kind, info.size if kind == "file" else 0, info.linkname)
    path = gate.admit(member)
    if kind == "folder":
        writer.folder(path)
    elif kind != "file":
        writer.link(member, path)
    else:
        content = source.extractfile(info)
        if content is not None:
            writer.file(member, path, content)


def _packing(archive: Path) -> Callable[..., Any] | None:
    """What opens a packed archive, by its first bytes."""
    with archive.open("rb") as handle:
        start = handle.read(max(map(len, _OPENED_BY)))
    return next((opened_by for magic, opened_by in _OPENED_BY.items() if start.startswith(magic)), None)


def _opened(archive: Path) -> IO[bytes]:
    """The unpacked bytes of an archive."""
    opened_by = _packing(archive)
    stream: IO[bytes] = archive.open("rb") if opened_by is None else opened_by(archive)
    return stream


class _Stream(io.RawIOBase):
    """A stream that keeps its last block in mind and refuses to be read in huge pieces."""

    def __init__(self, packed: IO[bytes]) -> None:
        self._packed = packed
        self.last = b""

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes."""
        if not 0 <= size <= _LARGEST_READ:
            raise tarfile.ReadError("a header that is too large")
        self.last = self._packed.read(size)
        return self.last

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go on elsewhere."""
        return self._packed.seek(offset, whence)

    def tell(self) -> int:
        """Where it is."""
        return self._packed.tell()
