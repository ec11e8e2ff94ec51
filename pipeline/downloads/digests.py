"""Is this file the one that was meant? Sizes, digests, and web pages in place of an archive.

Digests of archives whose publisher gives none are taken when they are first downloaded and compared from then
on. They are kept in a ledger, one small YAML file that is meant to be committed. What it says also holds
against the record, so a digest that the record has from hearsay can be overruled by hand.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from pipeline.catalog import Source
from pipeline.downloads.retries import DownloadError
from pipeline.errors import DataError
from pipeline.files import file_digest, only_one, value_digest, write_text
from pipeline.settings import read_yaml

_CHUNK = 1 << 20
_PAGE = (b"<!doctype html", b"<html", b"<head", b"<script")
_HEAD = """\
# SHA-256 of archives without a published digest, as they were when first downloaded. Commit this file.
# If a publisher has replaced an archive, remove its entry and download again.
"""


@dataclass(frozen=True)
class Expected:
    """What is known of a file before it is there; None where it is not.

    Attributes:
        bytes: size.
        sha256: of the content, or of the names and contents of a tree; or as much of it as is published.
        md5: of the content.
        origin: who says so, for messages.
    """

    bytes: int | None = None
    sha256: str | None = None
    md5: str | None = None
    origin: str = "the record"

    def completed(self, size: int | None, md5: str | None, origin: str) -> "Expected":
        """With what a host says about its own file, where nothing better is known."""
        if self.sha256 or self.md5 or md5 is None:
            return replace(self, bytes=self.bytes if self.bytes is not None else size)
        return Expected(self.bytes if self.bytes is not None else size, None, md5, origin)


def verify(path: Path, expected: Expected) -> None:
    """Compare a file with what is expected of it.

    Raises:
        DownloadError: the size or a digest differs; the message has both.
    """
    size = path.stat().st_size
    if expected.bytes is not None and size != expected.bytes:
        raise DownloadError(f"{path.name}: {size} bytes, but {expected.origin} says {expected.bytes}")
    if expected.sha256 is not None:
        _compare(path.name, "SHA-256", file_digest(path), expected.sha256, expected.origin)
    if expected.md5 is not None:
        _compare(path.name, "MD5", _md5(path), expected.md5, expected.origin)


def verify_tree(folder: Path, expected: Expected) -> None:
    """Compare all files below a folder with the digest of the tree, where one is known.

    Raises:
        DownloadError: the digest differs.
    """
    if expected.sha256 is not None:
        _compare(folder.parent.name, "digest", tree_digest(folder), expected.sha256, expected.origin)


def tree_digest(folder: Path) -> str:
    """SHA-256 over the sorted names and contents of all files below `folder`."""
    files = {path.relative_to(folder).as_posix(): file_digest(path) for path in _files(folder)}
    return value_digest(files)


def tree_bytes(folder: Path) -> int:
    """Bytes of all files below `folder`."""
    return sum(path.stat().st_size for path in _files(folder))


def is_page(start: bytes, content_type: str) -> bool:
    """Whether a response is a web page, by its type or its first bytes: a login, a warning, an error."""
    return content_type.partition(";")[0].strip() == "text/html" or start.lstrip()[:16].lower().startswith(
        _PAGE
    )


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink())


def _md5(path: Path) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as handle:
        while chunk := handle.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _compare(name: str, kind: str, found: str, wanted: str, origin: str) -> None:
    if not found.startswith(wanted):
        raise DownloadError(f"{name}: {kind} is {found}, but {origin} says {wanted}")


class FirstDownload(BaseModel):
    """Size and digest of a file as it was first downloaded, or of a folder: then over names and contents."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bytes: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


_Ledger = TypeAdapter(dict[str, FirstDownload])


class Ledger:
    """The digests in the file `path`.

    Args:
        path: the YAML file; it need not be there.
        lock: file by which two processes take turns.
    """

    def __init__(self, path: Path, lock: Path) -> None:
        self.path = path
        self._lock = lock

    def expected(self, source: Source, name: str) -> Expected:
        """What is known of the file `name` of a source.

        Raises:
            DataError: the file cannot be read as a ledger.
        """
        entry = self._read().get(_key(source, name))
        if entry is not None:
            return Expected(entry.bytes, entry.sha256, None, f"{self.path.name} (first download)")
        if name != source.file_name:
            return Expected()
        origin = f"the record ({source.digest_status})" if source.digest_status else "the record"
        return Expected(source.bytes, source.sha256, source.md5, origin)

    def note(self, source: Source, name: str, measure: Callable[[], FirstDownload]) -> None:
        """Keep the digest of a file of a source; unless one is known, `measure` computes it."""
        with only_one(self._lock, "another process writes the ledger", wait=lambda _message: None):
            expected = self.expected(source, name)
            if expected.sha256 or expected.md5:
                return
            entries = self._read() | {_key(source, name): measure()}
            plain = {key: entries[key].model_dump() for key in sorted(entries)}
            write_text(self.path, _HEAD + yaml.safe_dump(plain, sort_keys=True, width=200))

    def _read(self) -> dict[str, FirstDownload]:
        if not self.path.exists():
            return {}
        try:
            return _Ledger.validate_python(read_yaml(self.path, DataError) or {})
        except ValidationError as error:
            reason = str(error).splitlines()[0]
            raise DataError(f"{self.path}: not a list of digests ({reason}); restore or remove it") from None


def _key(source: Source, name: str) -> str:
    return f"{source.key}/{name}"
