"""`zsad download`: the published data sets into a folder, checked."""

import json
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.errors import DataError
from pipeline.params import load_params

if TYPE_CHECKING:
    from pipeline.catalog import DatasetRecord
    from pipeline.downloads import Obtained, Store


LEDGER = "data.digests.yaml"
DATA = Path("data-paper")


@click.command()
@click.argument("datasets", nargs=-1, metavar="[DATASET]...")
@click.option(
    "--root",
    type=click.Path(file_okay=False, path_type=Path),
    default=DATA,
    show_default=True,
    help="Folder of the data sets; the default is that of the paper profile.",
)
@click.option("--weights", is_flag=True, help="The weights of the towers, into pretrained/; no data sets.")
@click.option("--profile", default="paper", show_default=True, help="Whose towers --weights is of.")
@click.option("--track", is_flag=True, help="Put what is there under DVC, own data too; stage it in git.")
@click.option("--keep-archives", is_flag=True, help="Keep the archives in ROOT/.downloads.")
@click.option("--json", "as_json", is_flag=True, help="Write the result as JSON.")
@click.pass_obj
def download(  # noqa: PLR0913 - one argument an option
    params_file: Path,
    datasets: tuple[str, ...],
    *,
    root: Path,
    weights: bool,
    profile: str,
    track: bool,
    keep_archives: bool,
    as_json: bool,
) -> None:
    """Download data sets from where they are published; without names, all of the benchmark.

    A data set appears as ROOT/NAME when it is complete and its images have been counted. An interrupted
    download goes on where it stopped. Some hosts want a person; the message says what to fetch and where to
    put it. SHA-256 of archives without a published one are kept in data.digests.yaml.

    Google Drive and Kaggle need: pip install 'zsad[downloads]'

    \b
    Example:
      zsad download visa btad
      zsad download --weights
    """  # noqa: D301 - click reads the backspace
    if weights:
        if datasets:
            raise click.UsageError("--weights fetches no data sets: leave out their names")
        _weights(profile, params_file.parent / LEDGER, track=track)
        return
    from pipeline import catalog
    from pipeline.downloads import obtain_all, open_display, open_store

    params = load_params(params_file)
    _refuse_import(root)
    own = [name for name in datasets or params.own if name in catalog.own_names()]
    wanted = [name for name in datasets or params.datasets if name not in own]
    records = list({(one := catalog.record(name)).name: one for name in wanted}.values())
    with open_display() as display, open_store(root, params_file.parent / LEDGER, display) as store:
        for line in _announcement(records, store, params.builds):
            display.say(line)
        results = []
        for result in obtain_all(records, store, builds=params.builds, keep=keep_archives):
            results.append(result)
            display.say(_line(result))
    if as_json:
        click.echo(json.dumps([_plain(result) for result in results], indent=1))
    if track:
        _track(results, root, own, params_file.parent / LEDGER)
    _finish(results, root, tracked=track)


def _weights(profile: str, ledger: Path, *, track: bool) -> None:
    """Fetch the files of all tags that the towers of a profile name."""
    from pipeline.clip.weights import PRETRAINED, is_tag, published
    from pipeline.downloads import obtain_file, open_display, open_store
    from pipeline.flows.request import composed_params

    towers = composed_params(profile).towers.values()
    tags = {(it.model, it.weights) for it in towers if is_tag(it.weights)}
    if not tags:
        click.echo(f"the towers of the {profile} profile come with it: nothing to fetch")
        return
    failed, paths = [], []
    with open_display() as display, open_store(PRETRAINED, ledger, display) as store:
        for model, tag in sorted(tags):
            known = published(model, tag)
            try:
                paths.append(obtain_file(known.url, known.sha256, store))
            except DataError as error:
                failed.append(f"{error}; or fetch {known.url} elsewhere and put it at {known.path}")
                continue
            display.say(f"{model}, {tag}: {paths[-1]}")
    if track and paths:
        _say_tracked(paths, [ledger])
    for message in failed:
        click.echo(f"error: {message}", err=True)
    if failed:
        sys.exit(1)


def _track(results: "Sequence[Obtained]", root: Path, own: Sequence[str], ledger: Path) -> None:
    from pipeline import catalog

    there = [result.path for result in results if result.status != "failed"]
    paths = [root] if there and _dvc_file(root).exists() else there
    paths += [folder for name in own if (folder := catalog.files_of(name, str(root))).is_dir()]
    if paths:
        _say_tracked(paths, [ledger, *map(catalog.own_record_path, own)])


def _say_tracked(paths: Sequence[Path], beside: Sequence[Path]) -> None:
    from pipeline.datasets import track

    for file in track(paths, beside):
        click.echo(f"tracked: {file}, staged in git; `git commit` and `dvc push` share it", err=True)


def _dvc_file(root: Path) -> Path:
    return root.with_name(f"{root.name}.dvc")


def _refuse_import(root: Path) -> None:
    """DVC writes what it imports anew, and everything else in that folder would be lost."""
    from pipeline import catalog

    path = _dvc_file(root)
    if path.exists() and catalog.is_import(path):
        raise DataError(f"{root}: an import of {path}, which DVC writes anew; choose another --root")


def _finish(results: "Sequence[Obtained]", root: Path, *, tracked: bool) -> None:
    """Say what to do with what is there, and what is not."""
    placed = [result.path for result in results if result.status == "placed"]
    if placed and not tracked:
        names = " ".join(result.dataset for result in results if result.status == "placed")
        place = "" if root == DATA else f"--root {root} "
        click.echo(f"track with DVC: zsad download --track {place}{names}", err=True)
    failed = [result for result in results if result.status == "failed"]
    for error in dict.fromkeys(failure.error for failure in failed):
        click.echo(f"error: {error}", err=True)
    if failed:
        click.echo(f"{len(failed)} of {len(results)} data sets are not in {root}", err=True)
        sys.exit(1)


def _terms(record: "DatasetRecord") -> str:
    licence = record.licence
    name = licence.name or "licence not established, ask the publisher"
    return "; ".join(filter(None, (name, licence.redistribution, licence.note, licence.url)))


def _announcement(
    records: "Sequence[DatasetRecord]", store: "Store", builds: Mapping[str, str]
) -> Iterator[str]:
    """One line per data set with its terms and size, and one on the room that all need."""
    from rich.filesize import decimal

    from pipeline.catalog import known_bytes
    from pipeline.downloads import to_fetch

    sizes: dict[str, int] = {}  # one archive may be of several data sets
    for record in records:
        archives = to_fetch(record, store, builds.get(record.name))
        there = (store.root / record.name).exists()
        sizes |= {source.key: source.size or 0 for source in archives or () if not there}
        size = known_bytes(archives)
        known = "size not known" if size is None else f"{decimal(size)} to fetch"
        yield f"{record.name}: {_terms(record)}; {'already there' if there else known}"
    total = sum(sizes.values())
    free = f"{decimal(shutil.disk_usage(store.root).free)} are free in {store.root}"
    need = f"{decimal(total)} to fetch where the size is known, about twice that while it is unpacked"
    yield f"{need}; {free}" if total else free


def _line(result: "Obtained") -> str:
    if result.status == "failed":
        return f"{result.dataset}: failed"
    normal, anomalous = (sum(pair[label] for pair in result.counts.values()) for label in (0, 1))
    notes = "".join(f"\n  note: {warning}" for warning in result.warnings)
    images = f"{normal} normal and {anomalous} anomalous test images"
    return f"{result.dataset}: {result.status} at {result.path}, {images}{notes}"


def _plain(result: "Obtained") -> dict[str, object]:
    if result.status == "failed":
        return {"dataset": result.dataset, "status": "failed", "error": result.error}
    return {
        "dataset": result.dataset,
        "status": result.status,
        "path": str(result.path),
        "counts": {subset: list(pair) for subset, pair in result.counts.items()},
        "sources": [held.source.url or held.source.key for held in result.held],
        "warnings": list(result.warnings),
    }
