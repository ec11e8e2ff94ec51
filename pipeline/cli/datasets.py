"""`zsad datasets`: what there is, and `zsad datasets add`: a folder of one's own."""

import json
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import nullcontext, redirect_stdout
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.errors import count
from pipeline.params import load_params

if TYPE_CHECKING:
    from pipeline.catalog import DatasetRecord
    from pipeline.datasets import Added, DatasetState
    from pipeline.duplicates import Overlap

_MOST_SUBSETS = 30  # that are listed one by one


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="For programs: a list of objects.")
@click.option("--profile", help="Those of this profile, not of params.yaml.")
@click.pass_context
def datasets(ctx: click.Context, as_json: bool, profile: str | None) -> None:
    """List every data set: what it is, whether it is there and prepared, and how to get it.

    \b
    Example:
      zsad datasets
      zsad datasets --profile paper
      zsad datasets add photos/widgets
    """  # noqa: D301 - click reads the backspace
    if ctx.invoked_subcommand is not None:
        return
    from pipeline.datasets import overview
    from pipeline.flows.request import composed_params

    states = overview(composed_params(profile) if profile else load_params(ctx.obj))
    if as_json:
        click.echo(json.dumps([asdict(state) for state in states], indent=1, ensure_ascii=False))
    else:
        _show(states)


@datasets.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--name", help="Name of the data set.  [default: the folder's]")
@click.option("--normal", help="What normal images are called: a folder, or a label of the list.")
@click.option("--track", is_flag=True, help="Put it under DVC, and stage record and .dvc file in git.")
@click.option("--leave-aside", is_flag=True, help="Go on although pictures have no place in the layout.")
def add(folder: Path, name: str | None, normal: str | None, track: bool, leave_aside: bool) -> None:
    """Add a folder of images as a data set of your own, and say what every picture was taken for.

    \b
    Known are folders as MVTec AD has them ([SUBSET/]test/good, [SUBSET/]test/DEFECT,
    [SUBSET/]ground_truth/DEFECT), good + DEFECT, images + masks in two folders or in one, and a
    list (CSV, JSON) of image and label, and mask, subset and split where there are some.
    FOLDER stays as it is.

    \b
    Example:
      zsad datasets add photos/widgets
      dvc exp run -S 'own=[widgets]'
    """  # noqa: D301 - click reads the backspace
    from pipeline.datasets import add_dataset
    from pipeline.datasets import track as track_with_dvc

    chosen = name or re.sub(r"\W+", "_", folder.resolve().name).strip("_").lower()
    if not re.fullmatch(r"[a-z][a-z0-9_]*", chosen):
        raise click.UsageError(
            f"{chosen!r}: a name has small letters, digits and _, a letter first; choose one with --name"
        )
    added = add_dataset(folder, chosen, normal, leave_aside=leave_aside)
    _say(added)
    if track:
        for file in track_with_dvc([added.folder], [added.record_path]):
            click.echo(f"tracked: {file}, staged in git; `git commit` and `dvc push` share it")


@datasets.command()
@click.option("--json", "as_json", is_flag=True, help="For programs: a list of objects.")
@click.pass_obj
def duplicates(params_file: Path, as_json: bool) -> None:
    """Look for images of the auxiliary sets in the data sets that are evaluated, equal or nearly so.

    Exit code 1 where the run has a cell that they touch: such a cell is measured on what it was tuned on.

    Example: zsad datasets duplicates
    """
    from pipeline.duplicates import missing, overlaps

    params = load_params(params_file)
    with redirect_stdout(sys.stderr) if as_json else nullcontext():  # progress is no JSON
        found = list(overlaps(params))
    shared = [overlap for overlap in found if overlap.duplicates]
    if as_json:
        plain = [{**asdict(it), "duplicates": [twins._asdict() for twins in it.duplicates]} for it in shared]
        click.echo(json.dumps(plain, indent=1, ensure_ascii=False))
    else:
        for overlap in shared:
            for line in _overlap_lines(overlap):
                click.echo(line)
        if absent := missing(params):
            click.echo(f"not looked at, for their files are not here: {', '.join(absent)}")
        click.echo(f"{count(len(found), 'pair')} of data sets compared, {len(shared)} share images")
    if any(overlap.cells for overlap in shared):
        sys.exit(1)


def _overlap_lines(overlap: "Overlap") -> Iterator[str]:
    equal = sum(it.bits is None for it in overlap.duplicates)
    near = len(overlap.duplicates) - equal
    yield (
        f"{overlap.dataset} and {overlap.auxiliary}, which is tuned on: {equal} equal and {near} near images"
    )
    for it in overlap.duplicates:
        how = "equal" if it.bits is None else f"near, {it.bits} of 256 bits"
        yield f"  {how}: {it.place} {it.image} and {it.twin_place} {it.twin}"
    cells = "; ".join(overlap.cells) or "none; nothing that was tuned there is evaluated here"
    yield f"  cells that this touches: {cells}"


def _say(added: "Added") -> None:
    record, listing = added.guess.record, added.guess.listing
    click.echo(f"{record.name}: {record.layouts[0].kind}, measured on {' and '.join(record.tasks)} level")
    for line in _subsets(record):
        click.echo(f"  {line}")
    for role, paths in added.guess.roles.items():
        if paths or role not in ("unlabelled", "copies"):
            click.echo(f"  {role}: {_places(paths)}")
    if getattr(record.layouts[0], "empty_is_normal", False):
        click.echo("  an image is normal when its mask is empty")
    for note in added.notes:
        click.echo(f"  {note}")
    for ignored in listing.ignored:
        files = f"{ignored.files} files, " if ignored.files > 1 else ""
        click.echo(f"  not used: {ignored.path} ({files}{ignored.reason})")
    click.echo(f"record: {added.record_path}; images: {added.folder}")
    click.echo(f"evaluate it: dvc exp run -S 'own=[{record.name}]'")


def _subsets(record: "DatasetRecord") -> Iterator[str]:
    """A line a subset; of many, one line for all."""
    masks = "with masks" if record.has_masks else "no masks"
    if len(record.subsets) > _MOST_SUBSETS:
        build = record.builds[0]
        yield (
            f"{len(record.subsets)} subsets: {build.normal} normal and {build.anomalous} anomalous images, "
            f"{masks}; each called by its name in prompts, such as {record.subsets[0].class_name!r}"
        )
        return
    for subset in record.subsets:
        yield (
            f"{subset.name}: {subset.normal} normal and {subset.anomalous} anomalous images, {masks}; "
            f"called {subset.class_name!r} in prompts"
        )


def _places(paths: Sequence[str]) -> str:
    """How many files, and in which folders they lie."""
    from pipeline.catalog.tree import some

    folders = Counter(path.rpartition("/")[0] or "the top" for path in paths)
    counted = some(f"{number} in {folder}" for folder, number in folders.items())
    return f"{len(paths)} ({counted})" if paths else "none"


def _show(states: "tuple[DatasetState, ...]") -> None:
    from rich.console import Console
    from rich.table import Table

    from pipeline import catalog

    table = Table(box=None, pad_edge=False)
    for title in ("Data set", "C", "Normal/anom.", "State", "Size"):
        table.add_column(title, no_wrap=True)
    table.add_column("Licence")
    for state in states:
        size = state.bytes_to_download if state.bytes_on_disk is None else state.bytes_on_disk
        counts = f"{_count(state.normal)}/{_count(state.anomalous)}"
        licence = state.licence or "not established"
        table.add_row(state.name, str(state.subsets), counts, state.state, _size(size), licence)
    Console().print(table)
    for problem in [problem for state in states for problem in state.problems]:
        click.echo(f"unusable: {problem}", err=True)
    for word, in_run in (("missing", True), ("not here, nor in this run", False)):
        gone = {it.name: it.how for it in states if it.state == "missing" and it.in_run is in_run}
        for line in catalog.by_step(gone):
            click.echo(f"{word}: {line}")


def _count(number: int | None) -> str:
    return "?" if number is None else str(number)


def _size(number: int | None) -> str:
    from rich.filesize import decimal

    return "?" if number is None else decimal(number)
