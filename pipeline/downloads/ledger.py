"""Digests of archives whose publisher gives none: taken when first downloaded, compared from then on.

One small YAML file that is meant to be committed. An entry holds also against the record, so a digest that
the record has from hearsay can be overruled by hand.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import yaml
from filelock import FileLock
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from pipeline.catalog import Source
from pipeline.downloads.checks import Expected
from pipeline.errors import DataError
from pipeline.files import write_text

_HEAD = """\
# SHA-256 of archives without a published digest, as they were when first downloaded. Commit this file.
# If a publisher has replaced an archive, remove its entry and download again.
"""


class Entry(BaseModel):
    """What was first downloaded: a file, or a folder (then the digest is over names and contents)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bytes: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


_Entries = TypeAdapter(dict[str, Entry])


class Ledger:
    """The digests in the file `path`.

    Args:
        path: the YAML file; it need not be there.
        lock: file by which two processes take turns.
    """

    def __init__(self, path: Path, lock: Path) -> None:
        self.path = path
        self._lock = FileLock(lock)

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

    def note(self, source: Source, name: str, entry: Callable[[], Entry]) -> None:
        """Keep the digest of a file of a source; unless one is known, `entry` computes it."""
        with self._lock:
            expected = self.expected(source, name)
            if expected.sha256 or expected.md5:
                return
            entries = self._read() | {_key(source, name): entry()}
            plain = {key: entries[key].model_dump() for key in sorted(entries)}
            write_text(self.path, _HEAD + yaml.safe_dump(plain, sort_keys=True, width=200))

    def _read(self) -> dict[str, Entry]:
        if not self.path.exists():
            return {}
        try:
            return _Entries.validate_python(yaml.safe_load(self.path.read_text(encoding="utf-8")) or {})
        except (yaml.YAMLError, ValidationError, UnicodeDecodeError) as error:
            reason = str(error).splitlines()[0]
            raise DataError(f"{self.path}: not a list of digests ({reason}); restore or remove it") from None


def _key(source: Source, name: str) -> str:
    return f"{source.key}/{name}"
