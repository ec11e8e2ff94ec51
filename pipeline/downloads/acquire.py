"""One source to verified files on disk: what is there already, put there by hand or fetched before, is taken.

Files have their final name only when they are whole; a folder of files (Kaggle, a Drive folder) likewise.
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pipeline.catalog import Source
from pipeline.downloads.digests import Expected, FirstDownload, tree_bytes, tree_digest, verify, verify_tree
from pipeline.downloads.hosts import PLAIN, remotes, token
from pipeline.downloads.http import fetch
from pipeline.downloads.libraries import fetch_drive_file, fetch_drive_folder, fetch_kaggle
from pipeline.downloads.retries import DownloadError
from pipeline.downloads.store import Store
from pipeline.files import file_digest

_TREE = "files"


@dataclass(frozen=True)
class Held:
    """What a source gave.

    Attributes:
        source: the source.
        path: an archive, or a folder of files.
        fetched: it was fetched, now or earlier, and not put there by a person.
        below: the folder of the data set that it belongs into; "" is the top.
    """

    source: Source
    path: Path
    fetched: bool
    below: str = ""

    @property
    def name(self) -> str:
        """What the source calls it."""
        return f"{self.below}/{self.path.name}" if self.below else self.path.name


def acquire(source: Source, dataset: str, store: Store) -> tuple[Held, ...]:
    """The archives of a source, or its folder of files, verified. The caller holds the lock of its folder.

    Raises:
        DownloadError: the source does not give them, or gives something else than it should.
    """
    folder = store.folder(source, dataset)
    if (held := _held(source, folder, store)) is not None:
        return (held,)
    if source.by_hand:
        raise DownloadError(by_hand(source, folder))
    folder.mkdir(parents=True, exist_ok=True)
    if source.kind in PLAIN:
        return tuple(_plain(source, folder, store))
    return (_by_library(source, folder, store),)


def is_held(source: Source, dataset: str, store: Store) -> bool:
    """Whether an archive, all its volumes, or the folder of a source is there already."""
    folder = store.folder(source, dataset)
    archives = all((folder / name).exists() for name in (source.file_name, *source.further_files))
    return archives or (folder / _TREE).exists()


def by_hand(source: Source, folder: Path) -> str:
    """What a person has to fetch, or can fetch in a browser, and where to put it."""
    what = source.instructions or "fetch it in a browser"
    there = source.address.removesuffix(source.file_name)
    more = "".join(f" and {there}{name} at {folder / name}" for name in source.further_files)
    return (
        f"{what} ({source.address}), put it at {folder / source.file_name}{more}, and run the command again"
    )


def note_digest(held: Held, store: Store) -> None:
    """Keep the digest of what turned out to be good data, where none is known."""
    path = held.path

    def measure() -> FirstDownload:
        if path.is_dir():
            return FirstDownload(bytes=tree_bytes(path), sha256=tree_digest(path))
        return FirstDownload(bytes=path.stat().st_size, sha256=file_digest(path))

    store.ledger.note(held.source, held.name, measure)


def _held(source: Source, folder: Path, store: Store) -> Held | None:
    """What is there already of a source with one archive or one folder."""
    for path in (folder / _TREE, folder / source.file_name):
        if path.exists() and not source.further_files:
            _check(path, store.ledger.expected(source, path.name))
            return Held(source, path, _is_fetched(path))
    return None


def _plain(source: Source, folder: Path, store: Store) -> Iterator[Held]:
    found = remotes(
        source,
        partial(store.ledger.expected, source),
        services=store.services,
        client=store.client,
        patience=store.patience,
    )
    for remote in found:
        target = folder / remote.name
        if not target.exists():
            fetch(
                remote,
                target,
                client=store.client,
                display=store.display,
                patience=store.patience,
                token=token(source),
            )
            _mark(target)
        else:
            _check(target, remote.expected)
        yield Held(source, target, _is_fetched(target), remote.name.rpartition("/")[0])


def _by_library(source: Source, folder: Path, store: Store) -> Held:
    """Fetch from Kaggle or Google Drive."""
    path = folder / (_TREE if source.kind == "kaggle" or source.folder else source.file_name)
    if source.kind == "kaggle":
        bring = fetch_kaggle
    else:
        bring = fetch_drive_folder if source.folder else fetch_drive_file
    # The archive, what is unpacked of it, and a size that was only about right.
    most = {"most": 4 * source.size + (1 << 30)} if source.size else {}
    bring(str(source.id), path, display=store.display, patience=store.patience, **most)
    try:
        _check(path, store.ledger.expected(source, path.name))
    except DownloadError:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        raise
    _mark(path)
    return Held(source, path, fetched=True)


def remove(held: Held) -> None:
    """Delete an archive or a folder of files."""
    if held.path.is_dir():
        shutil.rmtree(held.path)
    else:
        held.path.unlink()
    _marker(held.path).unlink(missing_ok=True)
    for folder in (held.path.parent, held.path.parent.parent)[: 2 if held.below else 1]:
        if not any(folder.iterdir()):
            folder.rmdir()


def _marker(path: Path) -> Path:
    """A file that says that `path` was fetched here, and not put there by a person."""
    return path.with_name(f".{path.name}.fetched")


def _mark(path: Path) -> None:
    _marker(path).touch()


def _is_fetched(path: Path) -> bool:
    return _marker(path).exists()


def _check(path: Path, expected: Expected) -> None:
    try:
        (verify_tree if path.is_dir() else verify)(path, expected)
    except DownloadError as error:
        raise DownloadError(f"{path}: {error}; remove it and run the command again") from None
