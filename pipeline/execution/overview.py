"""What `zsad datasets` shows: of every data set what is known, what is there, and what is prepared."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pipeline import catalog
from pipeline.catalog import DatasetRecord
from pipeline.downloads.routes import routes
from pipeline.errors import DataError
from pipeline.execution.prepare import data_folder
from pipeline.params import Params
from pipeline.shards import Manifest, read_manifest

State = Literal["missing", "there", "prepared", "prepared in part"]


@dataclass(frozen=True)
class DatasetState:
    """One data set as it stands on this machine.

    Attributes:
        tasks: levels on which it is measured.
        subsets: how many.
        normal: normal test images of the published build that is meant, None where not known.
        anomalous: likewise.
        state: what is there, by the folder of its files and by its shards.
        build: name of the build that is prepared, None where it has none.
        problems: one message a subset that could not be prepared.
        folder: where its files lie, or belong.
        bytes_on_disk: of its files; None when missing.
        bytes_to_download: of its archives; None where not known, or where nothing is to be got.
        licence: None where not established.
        how: the next step for a data set that is missing.
    """

    name: str
    title: str
    tasks: tuple[str, ...]
    subsets: int
    normal: int | None
    anomalous: int | None
    state: State
    build: str | None
    problems: tuple[str, ...]
    folder: str
    bytes_on_disk: int | None
    bytes_to_download: int | None
    licence: str | None
    how: str


def overview(params: Params) -> tuple[DatasetState, ...]:
    """The state of every data set of the benchmark, of what is only tuned on, and of the user's own."""
    names = (*catalog.shipped_names(), *catalog.own_names())
    return tuple(_state(params, catalog.record(name)) for name in names)


def _state(params: Params, record: DatasetRecord) -> DatasetState:
    folder = data_folder(params, record.name)
    there = folder.is_dir()
    manifest = _manifest(params, record)
    build = record.build(params.builds.get(record.name))
    return DatasetState(
        name=record.name,
        title=record.paper_name,
        tasks=record.tasks,
        subsets=len(record.subsets),
        normal=build.normal,
        anomalous=build.anomalous,
        state=_word(there, manifest),
        build=manifest.build_name if manifest else None,
        problems=tuple(manifest.errors.values()) if manifest else (),
        folder=str(folder),
        bytes_on_disk=_bytes_below(folder) if there else None,
        bytes_to_download=None if there else _bytes_to_download(record, build.name),
        licence=record.licence.name,
        how=_how(record),
    )


def _word(there: bool, manifest: Manifest | None) -> State:
    if not there:
        return "missing"
    if manifest is None:
        return "there"
    return "prepared in part" if manifest.errors else "prepared"


def _manifest(params: Params, record: DatasetRecord) -> Manifest | None:
    try:
        return read_manifest(params.shards / record.name)
    except DataError:
        return None


def _bytes_below(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _how(record: DatasetRecord) -> str:
    if record.domain == "own":
        return "zsad datasets add FOLDER"
    return f"zsad download {record.name}"


def _bytes_to_download(record: DatasetRecord, build: str) -> int | None:
    """Bytes of the archives of the first source that needs no person."""
    for route in routes(record, build):
        sizes = [source.bytes for source in route]
        if not any(source.by_hand for source in route):
            return None if None in sizes else sum(size for size in sizes if size is not None)
    return None
