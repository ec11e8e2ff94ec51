"""What a number belongs to: one system on one subset of a data set with one seed, and how that is printed.

Plan, content keys, results, tables and report all spell a cell this way. Both are plain tuples: they sort,
they serve as keys, and they are what stands in the columns of the result files. What went wrong with many
cells is said once for each reason, wherever it is said.
"""

from collections.abc import Iterable
from typing import NamedTuple

UNION = "+"
"""Between the names of data sets that are tuned on as one."""


class System(NamedTuple):
    """A method, or a variant of one (`variant` is empty for the method itself)."""

    method: str
    variant: str = ""

    @property
    def name(self) -> str:
        """`anomalyclip`, or `anomalyclip[no_dpam]` for a variant."""
        return f"{self.method}[{self.variant}]" if self.variant else self.method


def members(auxiliary: str) -> tuple[str, ...]:
    """The data sets of an auxiliary set: those of `mvtec+cvc_colondb` are two, tuned on as one."""
    return tuple(auxiliary.split(UNION))


def training_stage(auxiliary: str) -> str:
    """The stage of dvc.yaml that tunes on an auxiliary set."""
    return f"train{'_union' if UNION in auxiliary else ''}@{auxiliary}"


class CellKey(NamedTuple):
    """A system on a subset; `seed` is None where nothing is drawn at random."""

    dataset: str
    subset: str
    method: str
    variant: str
    seed: int | None

    @property
    def system(self) -> System:
        """What was evaluated."""
        return System(self.method, self.variant)

    @property
    def name(self) -> str:
        """`anomalyclip on mvtec/bottle, seed 111`."""
        seed = "" if self.seed is None else f", seed {self.seed}"
        return f"{self.system.name} on {self.dataset}/{self.subset}{seed}"


def names_by_reason(failures: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Reason to the names that have it, in the order in which the reasons come."""
    names: dict[str, list[str]] = {}
    for name, reason in failures:
        names.setdefault(reason, []).append(name)
    return names


def by_reason(failures: Iterable[tuple[str, str]]) -> list[str]:
    """One line per reason, in the order in which the reasons come.

    Args:
        failures: name of a cell and why it has no result.

    Examples:
        >>> by_reason([("clip on sdd/a", "no mask"), ("vand on sdd/a", "no mask"), ("clip on sdd/b", "leak")])
        ['clip on sdd/a and 1 more: no mask', 'clip on sdd/b: leak']
    """
    return [
        f"{cells[0]}{f' and {len(cells) - 1} more' if cells[1:] else ''}: {reason}"
        for reason, cells in names_by_reason(failures).items()
    ]
