"""What a run ought to contain: the data sets in table order, each with its subsets and tasks.

Taken from the catalog. Without it a missing subset could not be told from one that never was.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from pipeline import catalog
from pipeline.catalog import Domain, KnownCounts, Task
from pipeline.results import IMAGE_METRICS, METRICS, PIXEL_METRICS

TASK_METRICS: Final[dict[Task, tuple[str, ...]]] = {"image": IMAGE_METRICS, "pixel": PIXEL_METRICS}


@dataclass(frozen=True)
class ExpectedSet:
    """A data set as the tables need it.

    Attributes:
        title: name in the paper's tables, such as `MVTec AD`.
        domain: which of a suite's tables it belongs to.
        group: category in that table, such as `object_and_texture`.
        tasks: what it is measured on; a data set without masks has no pixel task.
        subsets: in the order of the per-subset tables.
        counts: (normal, anomalous) test images of the build that the paper evaluates, by subset, where known.
        total: likewise of the whole data set.
        build: the build that params ask for; None where the catalog names none.
        suites: which it is in; the user's own data sets are in none.
    """

    title: str
    domain: Domain
    group: str
    tasks: tuple[Task, ...]
    subsets: tuple[str, ...]
    counts: Mapping[str, KnownCounts] = field(default_factory=dict)
    total: KnownCounts = (None, None)
    build: catalog.Build | None = None
    suites: tuple[str, ...] = (catalog.PAPER,)

    @property
    def division(self) -> str:
        """Those that it is averaged with, such as `industrial`, `extended-2026.12/medical` or `own`."""
        return division(self.suites[0] if self.suites else catalog.PAPER, self.domain)

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics that are defined on it."""
        return tuple(metric for metric in METRICS if any(metric in TASK_METRICS[task] for task in self.tasks))


Expected = Mapping[str, ExpectedSet]


def division(suite: str, domain: Domain) -> str:
    """What the data sets of a domain in a suite are called together; the paper's by the domain alone."""
    return domain if suite == catalog.PAPER else f"{suite}/{domain}"


def lacking(suite: str, domain: Domain, expected: Expected) -> list[str]:
    """The data sets of a domain in a closed suite that a run does not have: then there is no average.

    The paper's suite is averaged over what a run has of it.
    """
    every = () if suite == catalog.PAPER else catalog.names(suite)
    return [name for name in every if name not in expected and catalog.record(name).domain == domain]


def expected_sets(names: Iterable[str], builds: Mapping[str, str] | None = None) -> dict[str, ExpectedSet]:
    """What the catalog says about the data sets of a run that are evaluated, in the order of `names`.

    Args:
        names: the data sets.
        builds: data set to the build that params ask for, where it is not the paper's.

    Raises:
        DataError: the catalog has no such data set or build.
    """
    chosen = builds or {}
    records = {name: catalog.record(name) for name in catalog.evaluated(names)}
    return {
        name: ExpectedSet(
            title=record.paper_name,
            domain=record.domain,
            group=record.group,
            tasks=record.tasks,
            subsets=record.accepting(chosen.get(name)).subset_names,
            counts=record.expected(),
            total=record.build().counts,
            build=record.build(chosen.get(name)),
            suites=catalog.suites_of(name),
        )
        for name, record in records.items()
    }
