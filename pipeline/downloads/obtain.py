"""A data set from its sources to its place `<root>/<name>`: the first route that gives the right thing wins.

What a person has put there is taken first, then sources are tried in the order of the record. A route that
needs a person and has nothing yet is not tried; the error says what to fetch. Of several data sets one that
fails does not stop the others.
"""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from rich.filesize import decimal

from pipeline.catalog import Counts, DatasetRecord, Source
from pipeline.downloads.acquire import Held, acquire, by_hand, is_held, note_digest, remove
from pipeline.downloads.assemble import assemble, check
from pipeline.downloads.digests import Expected, verify
from pipeline.downloads.hosts import Route, routes
from pipeline.downloads.retries import DownloadError, NoNetworkError
from pipeline.downloads.store import Store
from pipeline.errors import DataError, DiskFullError
from pipeline.files import sync_folder

_WHOLE = 64  # hexadecimal digits of a SHA-256


@dataclass(frozen=True)
class Obtained:
    """How it went with a data set.

    Attributes:
        dataset: its name.
        status: `placed` now, `present` before, or `failed`.
        path: its folder.
        counts: subset to (normal, anomalous) test images; empty when it failed.
        held: the archives it was made from.
        warnings: what a user should know of it.
        error: why it failed.
    """

    dataset: str
    status: Literal["placed", "present", "failed"]
    path: Path
    counts: Mapping[str, Counts] = field(default_factory=dict)
    held: tuple[Held, ...] = ()
    warnings: tuple[str, ...] = ()
    error: str | None = None


def obtain(record: DatasetRecord, store: Store, build: str | None = None) -> Obtained:
    """Put a build (without a name, the first) of a data set in its place, unless it is there.

    Raises:
        DataError: what is there is not the data set, or no source gives it. Nothing is changed in that place.
    """
    target = store.root / record.name
    with store.lock(f"dataset-{record.name}"):
        if target.exists():
            return _present(record, target, build)
        failures: list[str] = []
        ways = routes(record, build)
        for route in _ordered(record, ways, store):
            try:
                return _through(record, route, store, build)
            except (DiskFullError, NoNetworkError):
                raise
            except DataError as error:
                failures.append(str(error))
                store.display.say(f"{record.name}: {error}")
        raise DownloadError(_nothing_worked(record, ways, failures, store))


def to_fetch(record: DatasetRecord, store: Store, build: str | None = None) -> Route | None:
    """What of the first route that can be tried is still to be brought, None where there is none."""
    for route in _ordered(record, routes(record, build), store):
        return tuple(source for source in route if not is_held(source, record.name, store))
    return None


def _needs_network(record: DatasetRecord, store: Store, build: str | None) -> bool:
    """Whether the data set is not here, nor all of any route to it, though there is one that can be tried."""
    ways = _ordered(record, routes(record, build), store)
    held = [all(is_held(source, record.name, store) for source in route) for route in ways]
    return bool(ways) and not any(held) and not (store.root / record.name).exists()


def _present(record: DatasetRecord, target: Path, build: str | None) -> Obtained:
    try:
        counts, warnings = check(record, target, build)
    except DataError as error:
        raise DataError(
            f"{target} is there and not touched, but it is not the published data set: {error}. Move it away "
            "to download it"
        ) from None
    return Obtained(record.name, "present", target, counts, warnings=warnings)


def _ordered(record: DatasetRecord, ways: Sequence[Route], store: Store) -> list[Route]:
    """The routes that can be tried, those of which everything is there first."""
    there = {source.key: is_held(source, record.name, store) for route in ways for source in route}
    ready = [route for route in ways if all(there[source.key] for source in route if source.by_hand)]
    return sorted(ready, key=lambda route: not all(there[source.key] for source in route))


def _through(record: DatasetRecord, route: Route, store: Store, build: str | None) -> Obtained:
    """Bring what a route says and put it in place; its sources are locked until that is done."""
    _require_room(record, route, store)
    with ExitStack() as locks:
        for folder in sorted({store.folder(source, record.name).name for source in route}):
            locks.enter_context(store.lock(folder))
        return _locked(record, route, store, build)


def _locked(record: DatasetRecord, route: Route, store: Store, build: str | None) -> Obtained:
    held = tuple(one for source in route for one in acquire(source, record.name, store))
    target = store.root / record.name
    store.display.say(f"{record.name}: unpacking and checking")
    try:
        counts, warnings = assemble(record, held, store.downloads / "staging" / record.name, target, build)
    except DiskFullError:
        raise
    except DataError as error:
        _drop_unknown(held)
        raise DownloadError(f"{_label(route)}: {error}") from None
    for one in held:
        note_digest(one, store)
    doubts = tuple(_doubt(source) for source in route if not source.confirmed)
    return Obtained(record.name, "placed", target, counts, held, (*warnings, *doubts))


def _require_room(record: DatasetRecord, route: Route, store: Store) -> None:
    """Archives and, of images that hardly pack, as much again for what is in them."""
    known = sum(source.size or 0 for source in route)
    missing = sum(source.size or 0 for source in route if not is_held(source, record.name, store))
    free = shutil.disk_usage(store.root).free
    if free < known + missing:
        raise DiskFullError(
            f"{record.name}: needs about {decimal(known + missing)}, but {decimal(free)} are free in "
            f"{store.root}; make room or choose another --root"
        )


def _drop_unknown(held: Sequence[Held]) -> None:
    """Remove what was fetched, has no published digest, and turned out not to be the data set."""
    for one in held:
        if one.fetched and not (one.source.sha256 or one.source.md5):
            remove(one)


def _label(route: Route) -> str:
    return " + ".join(source.url or source.key for source in route)


def _doubt(source: Source) -> str:
    return f"from {source.url or source.key}, an address that the publisher does not confirm: {source.note}"


def _nothing_worked(
    record: DatasetRecord, ways: Sequence[Route], failures: Sequence[str], store: Store
) -> str:
    lines = [f"{record.name}: no source worked" if failures else f"{record.name}: a person has to fetch it"]
    lines += failures
    for route in ways:
        lines += [
            f"by hand: {by_hand(source, store.folder(source, record.name))}"
            for source in route
            if (source.by_hand or (source.url and failures)) and not is_held(source, record.name, store)
        ]
    if len(lines) == 1:
        lines.append(f"the record names no source; put the data set at {store.root / record.name}")
    return "\n  ".join(lines)


def _from_elsewhere(record: DatasetRecord, store: Store, build: str | None) -> str:
    """What to do without a network: bring the files of the first route that can be tried."""
    route = _ordered(record, routes(record, build), store)[0]
    steps = [
        by_hand(source, store.folder(source, record.name))
        for source in route
        if not is_held(source, record.name, store)
    ]
    return f"{record.name}: no network; where there is one: {'; and '.join(steps)}"


def obtain_all(
    records: Sequence[DatasetRecord], store: Store, *, builds: Mapping[str, str], keep: bool
) -> Iterator[Obtained]:
    """Obtain each data set in turn.

    Args:
        records: the data sets.
        store: where they go.
        builds: data set to the name of a build other than the first.
        keep: keep the archives that were fetched. Those put there by hand stay in any case, and those that a
            later or failed data set needs stay until it is placed.
    """
    waiting = {record.name: record for record in records}
    offline: NoNetworkError | None = None
    for record in records:
        try:
            if offline and _needs_network(record, store, builds.get(record.name)):
                raise offline
            obtained = obtain(record, store, builds.get(record.name))
        except NoNetworkError as error:
            if offline is None:
                store.display.say(str(error))
            offline = error
            steps = _from_elsewhere(record, store, builds.get(record.name))
            yield Obtained(record.name, "failed", store.root / record.name, error=steps)
            continue
        except DataError as error:
            yield Obtained(record.name, "failed", store.root / record.name, error=str(error))
            continue
        del waiting[record.name]
        needed = {
            source.key
            for other in waiting.values()
            for route in routes(other, builds.get(other.name))
            for source in route
        }
        for held in obtained.held:
            if held.fetched and not keep and held.source.key not in needed:
                with store.lock(store.folder(held.source, obtained.dataset).name):
                    remove(held)
        yield obtained


def obtain_file(url: str, sha256: str, store: Store) -> Path:
    """Bring one published file into the folder of `store`, unless it is there; checked either way.

    Args:
        url: its address; the end is its name.
        sha256: of its content, or as much of it as is published; "" where nothing is. Unless all of it is
            published, the digest of the first download is kept and compared from then on.
        store: where it goes.

    Raises:
        DataError: the address does not give it, or another file is in its place.
    """
    name = url.rpartition("/")[2]
    source = Source(kind="http", url=url, archive=name, confirmed=True)
    if len(sha256) == _WHOLE:
        source = source.model_copy(update={"sha256": sha256, "digest_status": "tool"})
    target = store.root / name
    with store.lock(f"file-{name}"):
        if not target.exists():
            (held,) = acquire(source, name, store)
            try:
                _require_digest(held.path, sha256, store, source)
                held.path.replace(target)
                sync_folder(target.parent)
            finally:
                shutil.rmtree(held.path.parent)
            return target
        try:
            _require_digest(target, sha256, store, source)
        except DownloadError as error:
            raise DownloadError(f"{target}: {error}; move it away and run the command again") from None
    return target


def _require_digest(path: Path, sha256: str, store: Store, source: Source) -> None:
    verify(path, Expected(sha256=sha256, origin="its publisher"))
    verify(path, store.ledger.expected(source, source.file_name))
    note_digest(Held(source, path, fetched=True), store)
