"""What a table or figure says on top when cells that it stands on have no result: how many, and why.

A method without its variants belongs to every data set of the run; a variant only to those that it was run
on, be it without success, because not every variant is meant for every data set.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from pipeline.tables.aggregate import Entry, EntryMeans, why_absent

_SHOWN: Final = 2  # reasons


@dataclass(frozen=True)
class Shortfall:
    """Cells without a result, among those that something stands on.

    Attributes:
        absent: how many have none; at least one.
        cells: how many there ought to be.
        reasons: a line each, with the number of cells and the first of them.
    """

    absent: int
    cells: int
    reasons: tuple[str, ...]

    @property
    def short(self) -> str:
        """The count alone, for where there is little room."""
        return f"INCOMPLETE: {self.absent} of {self.cells} cells without a result."

    def __str__(self) -> str:
        more = "; and other reasons" if len(self.reasons) > _SHOWN else ""
        return f"{self.short} {'; '.join(self.reasons[:_SHOWN])}{more}."


def shortfall(means: Mapping[Entry, EntryMeans], datasets: Iterable[str]) -> Shortfall | None:
    """What `means` lack on `datasets`; None where every cell has a result."""
    rows = {
        (entry.name, *cell): row
        for dataset in datasets
        for entry, own in means.items()
        if not entry.variant or own.ran_on(dataset)
        for cell, row in own.cells(dataset).items()
    }
    absent: dict[str, list[str]] = {}
    for (name, dataset, subset, _), row in rows.items():
        if (reason := why_absent(row)) is not None:
            absent.setdefault(reason, []).append(f"{name} on {dataset}/{subset}")
    if not absent:
        return None
    reasons = tuple(f"{_counted(names)}: {reason}" for reason, names in absent.items())
    return Shortfall(sum(map(len, absent.values())), len(rows), reasons)


def _counted(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
