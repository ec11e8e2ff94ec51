"""From what params ask for to groups of cells.

Decides the order (longest first, so that the last worker does not wait for one long group) and what is
refused: an entry with unusable settings, a subset that could not be prepared, a learnt method on a data set
whose images it was tuned on.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from pipeline import catalog
from pipeline.plan.cells import Cell, Entry, Failure, Group, Plan, Subset


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
