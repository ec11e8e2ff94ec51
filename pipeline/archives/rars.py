"""RAR archives, in one or several volumes, by `bsdtar`, or by `unar` where that is not there or fails.

`bsdtar` turns the archive into a tar stream, which passes the gate member by member like any other tar.
`unar` writes by itself: all members are listed and checked first, links are refused, and what was written is
held against the list. `unar` 1.10.1 of Debian 12 fails at 24 of the 614 published masks of TN3K; libarchive
3.6.2 checks everything but members of RAR 5 that are not compressed, so that is done here.
"""

import io
import json
import os
import re
import shutil
import struct
import subprocess
import tarfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, Final

from pipeline.archives.rules import Gate, Kind, Member
from pipeline.archives.tars import write_members
from pipeline.archives.writer import Writer, clear
from pipeline.errors import DataError

_PROGRAMS: Final = {"bsdtar": "libarchive-tools", "unar": "unar"}  # program to its package in Debian
_NO_PLAIN_FILE: Final = (
    "XADIsLink",
    "XADIsHardLink",
    "XADIsCharacterDevice",
    "XADIsBlockDevice",
    "XADIsFIFO",
    "RAR5RedirectionType",
)
_RAR_5: Final = b"Rar!\x1a\x07\x01\x00"
# A block of RAR 5 (https://www.rarlab.com/technote.htm) is checksum, length, type, flags, fields and data;
# numbers are little-endian in groups of seven bits.
_FILE_BLOCK: Final = 2  # type of a block
_HAS_EXTRA, _HAS_DATA, _GOES_ON = 0x01, 0x02, 0x10  # flags of a block
_HAS_TIME, _HAS_CHECKSUM = 0x02, 0x04  # flags of a file
_COMPRESSION: Final = 7 << 7  # bits of the compression; none of them when stored
_LONGEST_END: Final = 20  # bytes of the end block of RAR 3 and 4 with all its fields
_FILE_MODE, _FOLDER_MODE = 0o644, 0o755
_NUMBERED: Final = re.compile(r"(.*\.part)(\d+)(\.rar)", re.IGNORECASE)


class _ProgramError(Exception):
    """A program could not read the archive; another may."""


def unpack_rar(archive: Path, out: Path, gate: Gate) -> None:
    """Write all members below `out`; `archive` is the first volume, the others lie beside it.

    Raises:
        DataError: a member is refused, a volume is missing, no program is there, or none can read it.
    """
    volumes = tuple(_volumes(archive))
    gate.packed = sum(volume.stat().st_size for volume in volumes)
    if not _is_last(volumes[-1]):
        raise DataError(f"{archive}: cut off, or the volume behind {volumes[-1].name} is missing")
    said = []
    for program in _PROGRAMS:
        if shutil.which(program) is None:
            continue
        try:
            return (_by_bsdtar if program == "bsdtar" else _by_unar)(volumes, out, gate.again())
        except _ProgramError as error:
            said.append(f"{program} could not read it ({error})")
            clear(out)
    absent = [
        f"{brings}, which brings {name}" for name, brings in _PROGRAMS.items() if not shutil.which(name)
    ]
    told = "; ".join(said) or "a RAR archive"
    hint = f"install {' or '.join(absent)}, and try again" if absent else gate.advice
    raise DataError(f"{archive}: {told}; {hint}")


def _volumes(archive: Path) -> Iterator[Path]:
    """All volumes that are there: `a.part1.rar`, `a.part2.rar` and so on, or `a.rar`, `a.r00` and so on."""
    yield archive
    if numbered := _NUMBERED.fullmatch(archive.name):
        start, number, end = numbered.groups()
        names = (f"{start}{n:0{len(number)}d}{end}" for n in count(int(number) + 1))
    else:
        names = (f"{archive.stem}.{chr(ord('r') + n // 100)}{n % 100:02d}" for n in range(900))
    for name in names:
        if not (volume := archive.with_name(name)).is_file():
            return
        yield volume


def _is_last(volume: Path) -> bool:
    """Whether a volume ends as the last does: its end block says so, and no program looks at it.

    RAR 5: length 3, type 5, flags, then a bit that is set when another volume follows. RAR 3 and 4: type 0x7b
    and that bit at once, then the length of the block, which reaches to the end of the file.
    """
    with volume.open("rb") as handle:
        start = handle.read(len(_RAR_5))
        handle.seek(-min(_LONGEST_END, volume.stat().st_size), os.SEEK_END)
        end = handle.read()
    if start == _RAR_5:
        return end[-4:-2] == b"\x03\x05" and not end[-1] & 1
    blocks = [end[-size:] for size in range(7, len(end) + 1) if end[2 - size] == 0x7B]
    return any(block[5] == len(block) and not block[3] & 1 for block in blocks)


def _by_bsdtar(volumes: Sequence[Path], out: Path, gate: Gate) -> None:
    writer = Writer(out, gate)
    with ExitStack() as stack:
        said = stack.enter_context(TemporaryFile())
        source = "@-" if len(volumes) > 1 else f"@{volumes[0].absolute()}"
        joined = stack.enter_context(_started("cat", *map(str, volumes))) if source == "@-" else None
        command = ("bsdtar", "-cf", "-", "--format=pax", source)
        process = stack.enter_context(
            _started(*command, stdin=joined.stdout if joined else None, stderr=said)
        )
        stack.callback(process.kill)  # when a member is refused
        try:
            with tarfile.open(fileobj=process.stdout, mode="r|") as stream:
                write_members(stream, writer, gate)
            whole = True
        except tarfile.TarError:
            whole = False
        process.communicate()  # what stands behind the last member
        if process.returncode or not whole:
            said.seek(0)
            raise _ProgramError(_last_line(said.read()))
    writer.finish()
    for name, checksum in _stored_checksums(volumes):
        if (out / name).is_file() and zlib.crc32((out / name).read_bytes()) != checksum:
            gate.refuse(name, "has another checksum than it declares")


def _started(
    program: str, *options: str, stdin: IO[bytes] | None = None, stderr: IO[bytes] | None = None
) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(  # noqa: S603 - a fixed program without a shell; a path cannot be an option
        [shutil.which(program) or program, *options],
        stdin=stdin or subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=stderr or subprocess.DEVNULL,
        env=os.environ | {"LC_ALL": "C.UTF-8"},
    )


def _by_unar(volumes: Sequence[Path], out: Path, gate: Gate) -> None:
    found: Mapping[str, Any] = json.loads(_output(volumes[0], "lsar", "-json"))
    if found.get("lsarError"):
        raise _ProgramError("damaged, or a volume is missing")
    for entry in found["lsarContents"]:
        gate.admit(_member(entry))
    _output(volumes[0], "unar", "-quiet", "-no-recursion", "-no-directory", "-forks", "skip", "-o", str(out))
    _check(out, gate)


def _member(entry: Mapping[str, Any]) -> Member:
    kind: Kind = "folder" if entry.get("XADIsDirectory") else "file"
    if any(entry.get(key) for key in _NO_PLAIN_FILE):
        kind = "other"
    return Member(
        str(entry["XADFileName"]),
        kind,
        int(entry.get("XADFileSize", 0)),
        encrypted=bool(entry.get("XADIsEncrypted")),
    )


def _output(archive: Path, program: str, *options: str) -> str:
    """Output of a program on the archive; it gets no input, so it cannot wait for a password."""
    done = subprocess.run(  # noqa: S603 - a fixed program without a shell; the path cannot be an option
        [shutil.which(program) or program, *options, str(archive.absolute())],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        env=os.environ | {"LC_ALL": "C.UTF-8"},
    )
    if done.returncode:
        raise _ProgramError(_last_line(done.stderr or done.stdout))
    return done.stdout.decode("utf-8", "replace")


def _last_line(said: bytes) -> str:
    lines = said.decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else "it does not say why"


def _check(out: Path, gate: Gate) -> None:
    """What lies below `out` is what was listed, as plain files with plain modes."""
    waiting = dict(gate.files)
    for path in sorted(out.rglob("*")):
        name = path.relative_to(out).as_posix()
        if path.is_symlink() or not (path.is_dir() or path.is_file()):
            gate.refuse(name, "is no plain file or folder")
        if path.is_file() and waiting.pop(name, None) != path.stat().st_size:
            gate.refuse(name, "is not what the list of the archive says")
        path.chmod(_FOLDER_MODE if path.is_dir() else _FILE_MODE)
    if waiting:
        gate.refuse(next(iter(waiting)), "is listed but was not unpacked")


def _stored_checksums(volumes: Sequence[Path]) -> Iterator[tuple[str, int]]:
    """(name, CRC-32 of the content) of every stored member; nothing for archives that are no RAR 5."""
    for volume in volumes:
        with volume.open("rb") as handle:
            if handle.read(len(_RAR_5)) == _RAR_5:
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
    if kind != _FILE_BLOCK or flags & _GOES_ON:
        return
    what = _number(fields) or 0
    _number(fields), _number(fields)  # size, attributes
    fields.seek(4 if what & _HAS_TIME else 0, io.SEEK_CUR)
    if what & _HAS_CHECKSUM:
        (checksum,) = struct.unpack("<I", fields.read(4))
        method, _, length = _number(fields), _number(fields), _number(fields)
        if method is not None and not method & _COMPRESSION:
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
