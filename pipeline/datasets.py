"""What is done with one data set: prepare it, add a folder as one, say how it stands.

Preparing reads the published layout, checks the counts and writes the shards. Adding looks at a folder,
writes the record that says what it is, and links its files (copies them where links are not possible) into
their place; the folder stays as it is. The overview is what `zsad datasets` shows.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, NamedTuple

import yaml

from pipeline import catalog
from pipeline.archives.writer import require_free, staged
from pipeline.catalog import DatasetRecord, Guess, KnownCounts, Sample, Source, registry
from pipeline.catalog.survey import survey
from pipeline.catalog.tree import read_tree, some
from pipeline.errors import DataError, ParamsError
from pipeline.files import write_text
from pipeline.params import Params
from pipeline.process import git_environment
from pipeline.progress import progress
from pipeline.settings import read_yaml
from pipeline.shards import Manifest, prepare, read_manifest
from pipeline.shards.arrays import fill_row

State = Literal["missing", "there", "prepared", "prepared in part"]

_HEADER = "# Written by `zsad datasets add`; edit what should be called otherwise.\n"


def expected_counts(params: Params, dataset: str) -> dict[str, KnownCounts]:
    """(normal, anomalous) test images a subset, by the file `params.counts` or by the data set's record.

    The file is of the shipped data sets; one of the user's own is held against its record.

    Raises:
        ParamsError: the file is missing or does not name the data set.
    """
    if params.counts is None or dataset in params.own:
        return catalog.record(dataset).accepting(params.builds.get(dataset)).expected()
    path = Path(params.counts)
    try:
        counts = read_yaml(path, ParamsError)
    except FileNotFoundError as error:
        raise ParamsError(f"params.yaml: counts: {path} is missing") from error
    if not isinstance(counts, dict) or dataset not in counts:
        raise ParamsError(f"params.yaml: counts: {path} has no counts of {dataset}")
    return {subset: (normal, anomalous) for subset, (normal, anomalous) in counts[dataset].items()}


def prepare_dataset(params: Params, dataset: str) -> Manifest:
    """Write the shards of `dataset`; a subset that cannot be prepared is noted in the manifest.

    Raises:
        ZsadError: an unknown data set, or one whose folder is not there.
    """
    record = catalog.record(dataset).accepting(params.builds.get(dataset))
    with progress(f"prepare {dataset}", len(record.subsets)) as steps:

        def report(subset: str, done: int, total: int) -> None:
            if done == total:
                steps.step(f"{subset}: {total} images")

        return prepare(
            record,
            catalog.files_of(dataset, params.data_root),
            params.shards / dataset,
            params.sizes(),
            expected_counts(params, dataset),
            limit=params.limit,
            progress=report,
        )


class Added(NamedTuple):
    """A data set that was added: its record, what is in it, and where both lie."""

    guess: Guess
    record_path: Path
    folder: Path
    notes: tuple[str, ...] = ()  # on how its pictures and masks are read


def add_dataset(folder: Path, name: str, normal: str | None = None, *, leave_aside: bool = False) -> Added:
    """Add the images in `folder` as the data set `name`.

    Args:
        folder: left as it is.
        name: for params, files and tables.
        normal: what normal images are called, where it is none of the usual words.
        leave_aside: whether pictures may be left that have no place in the layout.

    Raises:
        DataError: the name is taken, the folder is not understood, or a file cannot be prepared; nothing is
            written then.
    """
    if catalog.is_taken(name):
        raise DataError(f"{name}: there is a data set of this name; choose another with --name")
    place, path = registry.DATA / name, catalog.own_record_path(name)
    require_free(place)
    found = catalog.guess(folder, name, normal, leave_aside=leave_aside)
    seen = survey(folder, found.listing.samples, found.record.layouts[0])
    build = found.record.builds[0].model_copy(update={"bit_depth": seen.bit_depth})
    found = replace(found, record=found.record.model_copy(update={"builds": (build,)}))
    _try_out(folder, found)
    ours = False
    try:
        with staged(place) as target:
            ours = True
            for file in read_tree(folder).paths():
                (target / file).parent.mkdir(parents=True, exist_ok=True)
                _put(folder / file, target / file)
        write_text(path, _HEADER + _text(found.record))
    except OSError:
        if ours:  # the next try is to find nothing of this one
            path.unlink(missing_ok=True)
            shutil.rmtree(place, ignore_errors=True)
        raise
    return Added(found, path, place, seen.notes)


def track(paths: Sequence[Path], beside: Sequence[Path] = ()) -> list[Path]:
    """Put folders and files under DVC, and stage in git what says so: then a colleague's `dvc pull` has them.

    Args:
        paths: data sets, weights.
        beside: small files that are staged with them, where they are there.

    Returns:
        The `.dvc` files.

    Raises:
        DataError: DVC or git refuses; the message has its reason.
    """
    files = [path.with_name(f"{path.name}.dvc") for path in paths]
    ignored = {path.parent / ".gitignore" for path in paths}
    staged = (*files, *sorted(ignored), *beside)
    _run(sys.executable, "-m", "dvc", "add", "-q", *map(str, paths))
    _run("git", "add", "--", *(str(path) for path in staged if path.exists()))
    return files


def _run(*command: str) -> None:
    try:
        done = subprocess.run(  # noqa: S603 - our own words
            command, env=git_environment(), capture_output=True, text=True, check=False
        )
    except OSError as error:
        raise DataError(f"{command[0]} cannot be run ({error}); install it") from error
    if done.returncode:
        reason = (done.stderr or done.stdout).strip()
        raise DataError(f"{' '.join(command[:4])}: {reason}")


def _try_out(folder: Path, found: Guess) -> None:
    """Decode every image and mask as `prepare` will.

    Raises:
        DataError: names the files that cannot be prepared.
    """

    def work(sample: Sample) -> str | None:
        try:
            fill_row(folder, sample, 0, (), found.record)
        except DataError as error:
            return str(error)
        return None

    with (
        progress(f"look at {found.record.name}", len(found.record.subsets)) as steps,
        ThreadPoolExecutor(2) as pool,
    ):
        broken: list[str] = []
        for subset in found.record.subset_names:
            samples = found.listing.of(subset)
            broken += filter(None, pool.map(work, samples))
            steps.step(f"{subset}: {len(samples)} images")
    if broken:
        raise DataError(f"{folder}: {some(broken, '; ')}; put it right, or move these files away")


def _put(source: Path, target: Path) -> None:
    try:
        os.link(source.resolve(), target)
    except OSError:
        shutil.copyfile(source, target)


def _text(record: DatasetRecord) -> str:
    values = record.model_dump(mode="json", exclude_defaults=True)
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=100)


@dataclass(frozen=True)
class DatasetState:
    """One data set as it stands on this machine.

    Attributes:
        in_run: whether a run of the profile reads it.
        tasks: levels on which it is measured.
        subsets: how many.
        normal: normal test images that the profile expects: of its drawn data set, or of the published build
            that is meant; None where not known.
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
    in_run: bool
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
    folder = catalog.files_of(record.name, params.data_root)
    there = folder.is_dir()
    manifest = _manifest(params, record)
    build = record.build(params.builds.get(record.name))
    normal, anomalous = _counts(params, record)
    return DatasetState(
        name=record.name,
        title=record.paper_name,
        in_run=record.name in (*params.every_dataset, *params.left_out),
        tasks=record.tasks,
        subsets=len(record.subsets),
        normal=normal,
        anomalous=anomalous,
        state=_word(there, manifest),
        build=manifest.build_name if manifest else None,
        problems=tuple(manifest.errors.values()) if manifest else (),
        folder=str(folder),
        bytes_on_disk=_bytes_below(folder) if there else None,
        bytes_to_download=None if there else catalog.known_bytes(to_download(record, build.name)),
        licence=record.licence.name,
        how=catalog.what_brings(record.name, params.data_root),
    )


def _counts(params: Params, record: DatasetRecord) -> KnownCounts:
    """(normal, anomalous) test images that the profile expects in all."""
    if params.counts is None or record.domain == "own":
        build = record.build(params.builds.get(record.name))
        return build.normal, build.anomalous
    parts = expected_counts(params, record.name).values()
    normal, anomalous = ([part[label] for part in parts] for label in (0, 1))
    return _total(normal), _total(anomalous)


def _total(counts: Sequence[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None


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


def to_download(record: DatasetRecord, build: str | None) -> tuple[Source, ...] | None:
    """The archives of the first route that needs no person."""
    from pipeline.downloads.hosts import routes  # late, as an HTTP client comes with it

    return next((route for route in routes(record, build) if not any(it.by_hand for it in route)), None)
