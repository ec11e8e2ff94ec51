"""Whether the files that the run stands on are whole: weights, prepared data, finished cells, results.

Every file that carries a digest is read and compared. `--repair` deletes damaged cells and leftovers of
killed runs, which are made again or were never used; nothing else is ever deleted.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

from pipeline import catalog
from pipeline.cells import training_stage
from pipeline.doctor.machine import Finding, Level
from pipeline.errors import BusyError, DataError, ZsadError
from pipeline.execution.store import TEXTS, CellStore, only_run
from pipeline.params import Params, TowerParams
from pipeline.results.parquet import read_examples, read_metrics, read_scores
from pipeline.shards import SubsetEntry, read_manifest, verify_subset
from pipeline.training import read_checkpoint


def stored_files(params: Params, *, repair: bool, profile: str | None = None) -> Iterator[Finding]:
    """Weights, data, results and cells, in this order; `profile` as in `examine`."""
    run = "dvc repro" if profile is None else f"dvc exp run -S profile={profile}"
    yield from _towers(params)
    yield from _learnt(params, run)
    for dataset in params.every_dataset:
        yield from _data(params, dataset, run)
    yield from _results(params)
    yield from _cells(params, repair=repair)


def _checked(area: str, name: str, check: Callable[[], object], ok: str) -> Finding:
    try:
        check()
    except ZsadError as error:
        return Finding(area, name, "problem", str(error))
    return Finding(area, name, "ok", ok)


def _towers(params: Params) -> Iterator[Finding]:
    from pipeline.clip.tensors import read_state_dict
    from pipeline.clip.weights import find_weights, is_tag

    for name, tower in params.towers.items():
        what = f"tower {name}"
        try:
            file = find_weights(tower.model, tower.weights)
        except ZsadError as error:
            yield Finding("weights", what, "problem", str(error))
            continue
        if file is None and is_tag(tower.weights):
            yield _fetchable(what, tower)
        else:
            weights = str(file or tower.weights)
            check = partial(read_state_dict, tower.model, weights)
            yield _checked("weights", what, check, f"{weights} can be read")


def _fetchable(what: str, tower: TowerParams) -> Finding:
    """Whether weights that are not here can be fetched from here, or have to be brought."""
    from pipeline.clip.weights import published
    from pipeline.downloads import file_size

    known = published(tower.model, tower.weights)
    try:
        size = file_size(known.url)
    except DataError as error:
        digest = f" (its SHA-256 begins with {known.sha256})" if known.sha256 else ""
        text = f"not here, and cannot be fetched ({error}): bring the file{digest} to {known.path}"
        return Finding("weights", what, "problem", text)
    told = "" if size is None else f", {size / 1e9:.2f} GB"
    text = f"{known.path} is not here: `zsad download --weights` fetches it{told}"
    return Finding("weights", what, "note", text)


def _learnt(params: Params, run: str) -> Iterator[Finding]:
    for auxiliary in params.trained_on:
        name, files = f"tuned on {auxiliary}", sorted((params.weights / auxiliary).glob("*.safetensors"))
        broken = list(_broken(files, read_checkpoint))
        yield from (Finding("weights", name, "problem", text) for text in broken)
        if not files:
            text = f"none yet: `{run} {training_stage(auxiliary)}` makes them"
            yield Finding("weights", name, "note", text)
        elif not broken:
            yield Finding("weights", name, "ok", f"{len(files)} files as they were written")


def _broken(files: Iterable[Path], read: Callable[[Path], object]) -> Iterator[str]:
    for file in files:
        try:
            read(file)
        except ZsadError as error:
            yield str(error)


def _data(params: Params, dataset: str, run: str) -> Iterator[Finding]:
    images = catalog.files_of(dataset, params.data_root)
    if not images.is_dir():
        brings = catalog.what_brings(dataset, params.data_root)
        level: Level = "problem" if catalog.absent([dataset], params.data_root) else "note"
        yield Finding("data", dataset, level, f"{images} is not here: it comes with {brings}")
    folder = params.shards / dataset
    if not folder.is_dir():
        stage = "prepare_own" if dataset in params.own else "prepare"
        yield Finding("data", dataset, "note", f"not prepared yet: `{run} {stage}@{dataset}`")
        return
    try:
        entries = read_manifest(folder).subsets
    except ZsadError as error:
        yield Finding("data", dataset, "problem", str(error))
        return
    problems = [found for entry in entries if (found := _subset_problem(folder, entry))]
    yield from (Finding("data", dataset, "problem", found) for found in problems)
    if not problems:
        yield Finding("data", dataset, "ok", f"{len(entries)} subsets as they were prepared")


def _subset_problem(folder: Path, entry: SubsetEntry) -> str | None:
    if entry.error is not None:
        return entry.error
    try:
        for size in entry.digests:
            verify_subset(folder, entry.name, size)
    except ZsadError as error:
        return str(error)
    return None


def _results(params: Params) -> Iterator[Finding]:
    for name, read in (("metrics", read_metrics), ("scores", read_scores), ("examples", read_examples)):
        folder = params.results / name
        if folder.is_dir():
            yield _checked("results", name, partial(read, folder), f"{folder} is whole")


def _cells(params: Params, *, repair: bool) -> Iterator[Finding]:
    store = CellStore()
    whole, damaged, leftovers = store.audit()
    yield Finding("cells", "finished", "ok", f"{whole} cells as they were written")
    leftovers += sorted(TEXTS.rglob("*.tmp"))
    bad = [*damaged, *leftovers]
    if not bad:
        return
    named = (
        f"{len(damaged)} cells damaged or of another version and {len(leftovers)} leftovers of killed runs, "
        f"first {bad[0]}"
    )
    if not repair:
        level: Level = "problem" if damaged else "note"
        text = f"{named}: `zsad doctor --repair` deletes them; such cells are made again when they are needed"
        yield Finding("cells", "damaged", level, text)
        return
    try:
        with only_run(params.profile):
            for path in bad:
                path.unlink(missing_ok=True)
    except BusyError as error:
        yield Finding("cells", "damaged", "problem", f"{named}: not deleted, {error}")
        return
    yield Finding("cells", "damaged", "note", f"{named}: deleted")
