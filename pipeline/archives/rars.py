"""RAR archives, in one or several volumes, by the programs `lsar` and `unar`.

All members are listed and checked before anything is written, links are refused, and what was written is held
against the list afterwards.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pipeline.archives.rules import Gate, Kind, Member
from pipeline.errors import DataError

_NO_PLAIN_FILE: Final = (
    "XADIsLink",
    "XADIsHardLink",
    "XADIsCharacterDevice",
    "XADIsBlockDevice",
    "XADIsFIFO",
    "RAR5RedirectionType",
)
_RAR_5: Final = b"Rar!\x1a\x07\x01\x00"
_LONGEST_END: Final = 20  # bytes of the end block of RAR 3 and 4 with all its fields
_FILE_MODE, _FOLDER_MODE = 0o644, 0o755


def unpack_rar(archive: Path, out: Path, gate: Gate) -> None:
    """Write all members below `out`; `archive` is the first volume, the others lie beside it.

    Raises:
        DataError: a member is refused, the programs are not there, or they report an error.
    """
    found = _listing(archive)
    volumes = [archive.with_name(Path(name).name) for name in found["lsarProperties"]["XADVolumes"]]
    gate.packed = sum(volume.stat().st_size for volume in volumes)
    if not _is_last(volumes[-1]):
        raise DataError(f"{archive}: cut off, or the volume behind {volumes[-1].name} is missing")
    for entry in found["lsarContents"]:
        gate.admit(_member(entry))
    _run(archive, "unar", "-quiet", "-no-recursion", "-no-directory", "-forks", "skip", "-o", str(out))
    _check(out, gate)


def _listing(archive: Path) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(_run(archive, "lsar", "-json"))
    if found.get("lsarError"):
        raise DataError(f"{archive}: damaged, or a volume is missing; get it anew from its publisher")
    return found


def _is_last(volume: Path) -> bool:
    """Whether a volume ends as the last does: its end block says so, and `lsar` does not look at it.

    RAR 5: length 3, type 5, flags, then a bit that is set when another volume follows. RAR 3 and 4: type 0x7b
    and that bit at once, then the length of the block, which reaches to the end of the file.
    """
    with volume.open("rb") as handle:
        start = handle.read(len(_RAR_5))
        handle.seek(-_LONGEST_END, os.SEEK_END)
        end = handle.read()
    if start == _RAR_5:
        return end[-4:-2] == b"\x03\x05" and not end[-1] & 1
    blocks = [end[-size:] for size in range(7, _LONGEST_END + 1) if end[2 - size] == 0x7B]
    return any(block[5] == len(block) and not block[3] & 1 for block in blocks)


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


def _run(archive: Path, program: str, *options: str) -> str:
    """Output of a program on the archive; it gets no input, so it cannot wait for a password."""
    command = shutil.which(program)
    if command is None:
        raise DataError(
            f"{archive}: a RAR archive; install unar, which brings {program} (in Debian and Homebrew)"
        )
    done = subprocess.run(  # noqa: S603 - a fixed program without a shell; the path cannot be an option
        [command, *options, str(archive.absolute())],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        env=os.environ | {"LC_ALL": "C.UTF-8"},
    )
    text = done.stdout.decode("utf-8", "replace")
    if done.returncode:
        said = (done.stderr.decode("utf-8", "replace") or text).strip().splitlines()
        raise DataError(
            f"{archive}: {program} could not read it ({said[-1] if said else done.returncode}); "
            "get it anew from its publisher"
        )
    return text


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
