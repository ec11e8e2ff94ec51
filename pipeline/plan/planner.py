"""The nouns of a plan: entry, subset, cell, group, failure.

From what params ask for to groups of cells.

Decides the order (longest first, so that the last worker does not wait for one long group) and what is
refused: an entry with unusable settings, a subset that could not be prepared, a learnt method on a data set
whose images it was tuned on.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from pipeline import catalog


@dataclass(frozen=True)
class Entry:
    """A method, or a variant of one, that params ask for.

    `tower` names the tower that it reads. A learnt entry gets one cell a seed, any other entry one cell.
    `error` says why its settings cannot be used. `auxiliary` is what it is tuned on, None where the common
    rule decides; `datasets` what it is evaluated on, None for every data set.
    """

    method: str
    variant: str
    tower: str
    learnt: bool
    error: str | None = None
    auxiliary: str | None = None
    datasets: tuple[str, ...] | None = None

    @property
    def label(self) -> str:
        """How messages name it: `anomalyclip` or `anomalyclip[no_dpam]`."""
        return f"{self.method}[{self.variant}]" if self.variant else self.method


@dataclass(frozen=True)
class Subset:
    """A subset to evaluate on; `error` says why it cannot be."""

    dataset: str
    name: str
    images: int
    error: str | None = None


@dataclass(frozen=True)
class Cell:
    """One method or variant on one subset with one seed. `auxiliary` is what it was tuned on."""

    entry: Entry
    dataset: str
    subset: str
    seed: int | None
    auxiliary: str | None

    @property
    def label(self) -> str:
        """How messages name it: `anomalyclip on mvtec/bottle, seed 111`."""
        seed = "" if self.seed is None else f", seed {self.seed}"
        return f"{self.entry.label} on {self.dataset}/{self.subset}{seed}"


@dataclass(frozen=True)
class Group:
    """Cells that share a tower and a subset: one pass of the images serves them all."""

    tower: str
    dataset: str
    subset: str
    images: int
    cells: tuple[Cell, ...]

    @property
    def label(self) -> str:
        """How messages name it: `mvtec/bottle`."""
        return f"{self.dataset}/{self.subset}"


@dataclass(frozen=True)
class Failure:
    """A cell without numbers, and why."""

    cell: Cell
    reason: str


@dataclass(frozen=True)
class Plan:
    """Groups longest first, and the cells that cannot be run."""

    groups: tuple[Group, ...]
    refused: tuple[Failure, ...]

    @property
    def cells(self) -> tuple[Cell, ...]:
        """The cells that can be run."""
        return tuple(cell for group in self.groups for cell in group.cells)


def _cells(entry: Entry, subset: Subset, seeds: Sequence[int], tuned_on: Callable[[str], str]) -> list[Cell]:
    if entry.datasets is not None and subset.dataset not in entry.datasets:
        return []
    if not entry.learnt:
        return [Cell(entry, subset.dataset, subset.name, seed=None, auxiliary=None)]
    auxiliary = entry.auxiliary or tuned_on(subset.dataset)
    return [Cell(entry, subset.dataset, subset.name, seed, auxiliary) for seed in seeds]


def _refusal(cell: Cell, subset: Subset) -> str | None:
    if reason := cell.entry.error or subset.error:
        return reason
    return _leak(cell) if cell.auxiliary else None


def _leak(cell: Cell) -> str | None:
    """Why `cell` would be evaluated on images that it was tuned on, None when it is not."""
    tuned_on, dataset = str(cell.auxiliary), cell.dataset
    if dataset in catalog.record(tuned_on).holds_images_of:
        tuned_on += f", which holds images of {dataset},"
    elif dataset != tuned_on:
        return None
    if cell.entry.auxiliary:
        remedy = f"leave {dataset} out of retuned.{cell.entry.variant}.datasets"
    else:
        remedy = f"name another set under auxiliary.exceptions.{dataset}"
    return f"leak: {cell.entry.label} was tuned on {tuned_on} and cannot be evaluated on {dataset}; {remedy}"


def make_plan(
    entries: Iterable[Entry],
    subsets: Iterable[Subset],
    *,
    seeds: Sequence[int],
    tuned_on: Callable[[str], str],
) -> Plan:
    """All cells of `entries` x `subsets` x `seeds`, grouped by (tower, data set, subset).

    Args:
        entries: methods and variants, in table order.
        subsets: what they are evaluated on.
        seeds: of learnt entries.
        tuned_on: the auxiliary set for an evaluation on a data set.
    """
    by_tower: dict[tuple[str, Subset], list[Cell]] = defaultdict(list)
    refused: list[Failure] = []
    entries = tuple(entries)
    for subset in subsets:
        for entry in entries:
            for cell in _cells(entry, subset, seeds, tuned_on):
                if reason := _refusal(cell, subset):
                    refused.append(Failure(cell, reason))
                else:
                    by_tower[entry.tower, subset].append(cell)
    groups = [
        Group(tower, subset.dataset, subset.name, subset.images, tuple(cells))
        for (tower, subset), cells in by_tower.items()
    ]
    groups.sort(key=lambda group: (-group.images, group.tower, group.dataset, group.subset))
    return Plan(tuple(groups), tuple(refused))
