"""The manifest of a prepared data set. It is written last: a folder without one is not prepared."""

from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline.errors import DataError
from pipeline.files import read_json, write_json

_NAME = "manifest.json"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Reference(_Part):
    """A normal training image as prepared: its name, and size to the SHA-256 of its array."""

    image: str
    digests: dict[int, str]


class SubsetEntry(_Part):
    """One subset of a prepared data set; usable when `error` is None.

    Attributes:
        name: the subset.
        class_name: what class-aware methods put into their prompts.
        normal: number of normal images, None when they could not be listed.
        anomalous: number of anomalous images, None when they could not be listed.
        masks: whether there are masks.
        build: digest of the published files, None when unusable.
        digests: size to the digest of the prepared arrays and their index.
        error: why the subset cannot be used.
        references: normal training images in the order in which they are drawn.
        references_error: why there are none, although the training part was found.
    """

    name: str
    class_name: str
    normal: int | None
    anomalous: int | None
    masks: bool
    build: str | None = None
    digests: dict[int, str] = {}
    error: str | None = None
    references: tuple[Reference, ...] = ()
    references_error: str | None = None


class IgnoredEntry(_Part):
    """Files of the published tree that are not used (see `pipeline.catalog.Ignored`)."""

    path: str
    reason: str
    files: int


class Manifest(_Part):
    """What a prepared data set holds.

    Attributes:
        dataset: name of the data set.
        build: digest of all usable subsets.
        build_name: name of that build where the record knows it.
        sizes: the resolutions S.
        subsets: all subsets of the record, in its order.
        ignored: what was left aside, with reasons.
        limit: most images of a subset that were prepared of it; None for all.
    """

    version: Literal[1] = 1
    dataset: str
    build: str
    build_name: str | None
    sizes: tuple[int, ...]
    subsets: tuple[SubsetEntry, ...]
    ignored: tuple[IgnoredEntry, ...]
    limit: int | None = None

    def subset(self, name: str) -> SubsetEntry:
        """The entry of a subset.

        Raises:
            DataError: the data set has no such subset.
        """
        if (entry := self._by_name.get(name)) is not None:
            return entry
        raise DataError(f"{self.dataset}: unknown subset {name!r}; known: {', '.join(self._by_name)}")

    @cached_property
    def _by_name(self) -> dict[str, SubsetEntry]:
        return {entry.name: entry for entry in self.subsets}

    @property
    def errors(self) -> dict[str, str]:
        """Subset to message, for the unusable ones."""
        return {entry.name: entry.error for entry in self.subsets if entry.error is not None}


def manifest_path(folder: Path) -> Path:
    """Where the manifest of a prepared data set lies."""
    return folder / _NAME


def is_prepared(folder: Path) -> bool:
    """Whether a folder holds a prepared data set."""
    return manifest_path(folder).is_file()


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write it atomically, with the same bytes for the same content."""
    whole = {"limit"} if manifest.limit is None else None
    write_json(manifest_path(folder), manifest.model_dump(mode="json", exclude=whole))


def read_manifest(folder: Path) -> Manifest:
    """Read and validate the manifest of a prepared data set.

    Raises:
        DataError: there is none, or it is of another version or damaged.
    """
    path = manifest_path(folder)
    try:
        return Manifest.model_validate(read_json(path))
    except FileNotFoundError:
        raise DataError(f"{path}: not there; prepare the data set first (dvc repro prepare)") from None
    except ValueError as error:
        where = ".".join(map(str, error.errors()[0]["loc"])) if isinstance(error, ValidationError) else error
        raise DataError(f"{path}: damaged or of another version ({where}); prepare it again") from None
