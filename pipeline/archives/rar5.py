"""Checksums of the members of a RAR 5 archive that are stored without compression, out of its headers.

After the published description of the format (https://www.rarlab.com/technote.htm): blocks of checksum,
length, type, flags, fields and data; numbers are little-endian in groups of seven bits.
"""

import io
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Final

SIGNATURE: Final = b"Rar!\x1a\x07\x01\x00"
_FILE: Final = 2  # type of a block
_HAS_EXTRA, _HAS_DATA, _GOES_ON = 0x01, 0x02, 0x10  # flags of a block
_HAS_TIME, _HAS_CHECKSUM = 0x02, 0x04  # flags of a file
_METHOD: Final = 7 << 7  # bits of the compression; none of them when stored


def stored_checksums(volumes: Sequence[Path]) -> Iterator[tuple[str, int]]:
    """(name, CRC-32 of the content) of every stored member; nothing for archives that are no RAR 5."""
    for volume in volumes:
        with volume.open("rb") as handle:
            if handle.read(len(SIGNATURE)) == SIGNATURE:
                while block := _block(handle):
                    yield from _checksum(*block)


def _block(handle: IO[bytes]) -> tuple[int, int, IO[bytes]] | None:
    """Type, flags and fields of the next block, whose data are skipped; None at the end."""
    if len(handle.read(4)) < 4 or (size := _number(handle)) is None:
        return None
    fields = io.BytesIO(handle.read(size))
    kind, flags = _number(fields), _number(fields)
    if kind is None or flags is None:
        return None
    if flags & _HAS_EXTRA:
        _number(fields)
    if flags & _HAS_DATA:
        handle.seek(_number(fields) or 0, io.SEEK_CUR)
    return kind, flags, fields


def _checksum(kind: int, flags: int, fields: IO[bytes]) -> Iterator[tuple[str, int]]:
    """What a block says of a file; of one that goes on in the next volume, the last volume says it."""
    if kind != _FILE or flags & _GOES_ON:
        return
    what = _number(fields) or 0
    _number(fields), _number(fields)  # size, attributes
    fields.seek(4 if what & _HAS_TIME else 0, io.SEEK_CUR)
    if what & _HAS_CHECKSUM:
        (checksum,) = struct.unpack("<I", fields.read(4))
        method, _, length = _number(fields), _number(fields), _number(fields)
        if method is not None and not method & _METHOD:
            yield fields.read(length or 0).decode("utf-8", "replace"), checksum


def _number(source: IO[bytes]) -> int | None:
    """The next number, None at the end."""
    value = shift = 0
    while byte := source.read(1):
        value |= (byte[0] & 0x7F) << shift
        shift += 7
        if not byte[0] & 0x80:
            return value
    return None
