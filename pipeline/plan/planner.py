"""From what params ask for to groups of cells.

Decides the order (longest first, so that the last worker does not wait for one long group) and what is
refused: an entry with unusable settings, a subset that could not be prepared, a learnt method on the data set
that it was tuned on.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from pipeline.plan.cells import Cell, Entry, Failure, Group, Plan, Subset


def _cells(entry: Entry, subset: Subset, seeds: Sequence[int], tuned_on: Callable[[str], str]) -> list[Cell]:
    if not entry.learnt:
        return [Cell(entry, subset.dataset, subset.name, seed=None, auxiliary=None)]
    auxiliary = tuned_on(subset.dataset)
    return [Cell(entry, subset.dataset, subset.name, seed, auxiliary) for seed in seeds]


def _refusal(cell: Cell, subset: Subset) -> str | None:
    if reason := cell.entry.error or subset.error:
        return reason
    if cell.auxiliary == cell.dataset:
        return (
            f"leak: {cell.entry.label} was tuned on {cell.dataset} and cannot be evaluated on it; "
            f"name another set under auxiliary.exceptions.{cell.dataset}"
        )
    return None


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
