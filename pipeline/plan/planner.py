"""From what params ask for to groups of cells, and to ranges of their images. Pure: all is handed in.

A group shares a tower, a subset and a track, so one pass of the images serves all its cells, and those that
see one image at a time are apart from those that see more. The longest group goes first, and what is longer
than a third of a worker's share of the work is cut into ranges of images, so that no worker waits for one
long group. Refused are the cells of a system with unusable settings, of a subset that could not be prepared,
and of a system on images that it was tuned on.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from pipeline.cells import CellKey, System, members


@dataclass(frozen=True)
class ResolvedSystem:
    """A method, or a variant of one, with all that params say about it.

    Attributes:
        system: which it is.
        title: of the method, as tables print it; None where there is no such method.
        tower: name of the tower that it reads.
        learnt: whether it is tuned: then it has one cell a seed, otherwise one cell.
        settings: all of them, defaults included; empty where they cannot be used.
        error: why its settings cannot be used.
        track: see `pipeline.results.RuleColumns`; likewise `protocol`, None where the run's first one counts.
        auxiliary: what it is tuned on, None where the common rule decides.
        weights_of: the system whose weights it takes, being tuned alike; None for its own.
        datasets: what it is evaluated on, None for every data set.
    """

    system: System
    title: str | None = None
    tower: str = ""
    learnt: bool = False
    settings: dict[str, Any] = field(default_factory=dict, hash=False)
    error: str | None = None
    track: str = "main"
    protocol: str | None = None
    auxiliary: str | None = None
    weights_of: System | None = None
    datasets: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Subset:
    """A subset to evaluate on; `error` says why it cannot be."""

    dataset: str
    name: str
    images: int
    error: str | None = None


@dataclass(frozen=True)
class Cell:
    """One system on one subset with one seed. `auxiliary` is what it was tuned on."""

    key: CellKey
    resolved: ResolvedSystem
    auxiliary: str | None


@dataclass(frozen=True)
class Group:
    """Cells that share a tower, a subset and a track: one pass of the images serves them all."""

    tower: str
    dataset: str
    subset: str
    images: int
    cells: tuple[Cell, ...]
    track: str = "main"

    @property
    def kind(self) -> str:
        """Groups of one kind have the same rates: `vand`, or `vand, batch track`."""
        return kind_of(self.tower, self.track)


def kind_of(tower: str, track: str) -> str:
    """See `Group.kind`."""
    return tower if track == "main" else f"{tower}, {track} track"


Refused = tuple[Cell, str]
"""A cell that cannot be run, and why."""


def make_plan(
    systems: Iterable[ResolvedSystem],
    subsets: Iterable[Subset],
    *,
    seeds: Sequence[int],
    tuned_on: Callable[[str], str],
    holds_images_of: Callable[[str], Sequence[str]],
) -> tuple[list[Group], list[Refused]]:
    """All cells of `systems` x `subsets` x `seeds`: groups longest first, and what cannot be run.

    Args:
        systems: in table order.
        subsets: what they are evaluated on.
        seeds: of systems that are tuned.
        tuned_on: the auxiliary set for an evaluation on a data set.
        holds_images_of: the data sets whose images a data set holds, besides its own; asked of every member
            of a union.
    """
    by_pass: dict[tuple[str, str, Subset], list[Cell]] = defaultdict(list)
    refused: list[Refused] = []
    systems = tuple(systems)
    for subset in subsets:
        for resolved in systems:
            for cell in _cells(resolved, subset, seeds, tuned_on):
                if reason := resolved.error or subset.error or _leak(cell, holds_images_of):
                    refused.append((cell, reason))
                else:
                    by_pass[resolved.tower, resolved.track, subset].append(cell)
    groups = [
        Group(tower, subset.dataset, subset.name, subset.images, tuple(cells), track)
        for (tower, track, subset), cells in by_pass.items()
    ]
    groups.sort(key=lambda it: (-it.images, it.tower, it.dataset, it.subset, it.track != "main", it.track))
    return groups, refused


def longest_range(images: int, workers: int) -> float:
    """Images that one worker is to have at a time, at most: a third of its share of all; one has them all."""
    return images / (3 * workers) if workers > 1 else math.inf


def cut(rows: range, most: float, batch: int) -> list[range]:
    """The images `rows` as they are, or where they are more than `most` as ranges of nearly equal length.

    A range is of whole batches, so that images share a batch with the same others, and numbers stay equal to
    the bit; it may have up to a batch more than `most`.

    Examples:
        >>> cut(range(100), 40, 16)
        [range(0, 32), range(32, 64), range(64, 100)]
    """
    batches = math.ceil(len(rows) / batch)
    pieces = min(math.ceil(len(rows) / most), batches) if len(rows) > most else 1
    edges = [rows.start + batch * (batches * piece // pieces) for piece in range(pieces)]
    return [range(start, stop) for start, stop in pairwise([*edges, rows.stop])]


def stretches(images: int, kept: Iterable[range]) -> Iterator[tuple[range, bool]]:
    """All `images` of a subset in order: ranges, and whether each is one of those that are `kept`.

    Examples:
        >>> list(stretches(9, [range(2, 4)]))
        [(range(0, 2), False), (range(2, 4), True), (range(4, 9), False)]
    """
    start = 0
    for rows in sorted(kept, key=lambda it: it.start):
        if start < rows.start:
            yield range(start, rows.start), False
        yield rows, True
        start = rows.stop
    if start < images:
        yield range(start, images), False


def _cells(
    resolved: ResolvedSystem, subset: Subset, seeds: Sequence[int], tuned_on: Callable[[str], str]
) -> list[Cell]:
    if resolved.datasets is not None and subset.dataset not in resolved.datasets:
        return []
    place = (subset.dataset, subset.name, *resolved.system)
    if not resolved.learnt:
        return [Cell(CellKey(*place, seed=None), resolved, auxiliary=None)]
    auxiliary = resolved.auxiliary or tuned_on(subset.dataset)
    return [Cell(CellKey(*place, seed), resolved, auxiliary) for seed in seeds]


def _leak(cell: Cell, holds_images_of: Callable[[str], Sequence[str]]) -> str | None:
    """Why `cell` would be evaluated on images that it was tuned on, None when it is not."""
    tuned_on, dataset = cell.auxiliary, cell.key.dataset
    if tuned_on is None:
        return None
    if any(dataset in holds_images_of(member) for member in members(tuned_on)):
        tuned_on += f", which holds images of {dataset},"
    elif dataset not in members(tuned_on):
        return None
    if cell.resolved.auxiliary:
        remedy = f"leave {dataset} out of retuned.{cell.key.variant}.datasets"
    else:
        remedy = f"name a second set under `auxiliary`, or leave {dataset} out of `datasets`"
    name = cell.key.system.name
    return f"leak: {name} was tuned on {tuned_on} and cannot be evaluated on {dataset}; {remedy}"
