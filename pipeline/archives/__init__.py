"""Unpack the archives in which data sets are published; they come from outside and are taken as hostile.

One entry, `extract`: one archive into one folder, whole or not at all. What a member may be called, be and
weigh is decided in `rules`, for every format alike; `tars`, `zips` and `rars` only know how their format is
read. Nothing here knows data sets.
"""

import lzma
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Final

from pipeline.archives.rars import unpack_rar
from pipeline.archives.rules import Gate
from pipeline.archives.tars import is_tar, unpack_tar
from pipeline.archives.writer import staged
from pipeline.archives.zips import unpack_zip
from pipeline.errors import DataError, DiskFullError, fault_behind, is_full

_RAR: Final = b"Rar!\x1a\x07"
_ZIP: Final = b"PK"
DAMAGED: Final = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    ValueError,  # a zip whose names are not the UTF-8 that they claim to be
)
"""What Python's readers of archives raise at a damaged one."""

_ADVICE: Final = "get it anew from its publisher"
_AS_PUBLISHED: Final = "its digest is right, so the published file is like that"


def extract(archive: Path, into: Path, *, verified: bool = False) -> None:
    """Unpack a tar (plain, gzip, bzip2, xz), zip or RAR archive; its content tells which, not its name.

    `into` appears whole or not at all, also when the process is killed. It holds plain files and folders with
    this process's modes; links of the archive are replaced by the files that they point to.

    Args:
        archive: the file; of several RAR volumes the first.
        into: a folder that is not there yet, or is empty.
        verified: it has the published digest, so that no message advises to get it anew.

    Raises:
        DataError: no such archive, damaged, hostile (archive and member are named), empty, no room on the
            disk, or `into` holds something.
    """
    advice = _AS_PUBLISHED if verified else _ADVICE
    unpack = _reader(archive, advice)
    into.parent.mkdir(parents=True, exist_ok=True)
    gate = Gate(archive, archive.stat().st_size, shutil.disk_usage(into.parent).free, advice)
    with staged(into) as out:
        try:
            unpack(archive, out, gate)
            if not any(path.is_file() for path in out.rglob("*")):
                raise DataError(f"{archive}: no file in it; {advice}")
        except DAMAGED as error:
            if fault := fault_behind(error):
                raise _not_unpacked(archive, into, fault) from None
            raise DataError(f"{archive}: damaged ({error}); {advice}") from None
        except (NotImplementedError, RuntimeError) as error:
            raise DataError(f"{archive}: packed in a way that is not read here ({error})") from None
        except OSError as error:
            if error.errno is None:  # gzip and bzip2 say "damaged" so
                raise DataError(f"{archive}: damaged ({error}); {advice}") from None
            raise _not_unpacked(archive, into, error) from None


def _not_unpacked(archive: Path, into: Path, error: OSError) -> DataError:
    kind = DiskFullError if is_full(error) else DataError
    return kind(f"{archive}: cannot be unpacked to {into} ({error.strerror})")


def _reader(archive: Path, advice: str) -> Callable[[Path, Path, Gate], None]:
    """How an archive is unpacked."""
    try:
        with archive.open("rb") as handle:
            start = handle.read(len(_RAR))
        if start == _RAR:
            return unpack_rar
        if start.startswith(_ZIP):
            return unpack_zip
        if is_tar(archive):
            return unpack_tar
    except OSError as error:
        raise DataError(f"{archive}: {error.strerror}") from None
    raise DataError(f"{archive}: neither a tar nor a zip nor a RAR archive; {advice}")
