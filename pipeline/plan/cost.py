"""What a group of cells will cost, from rates that were measured elsewhere. Pure arithmetic.

A group costs a fixed part (methods built, text features), and for every image one tower pass and one scoring
a cell. A worker's start (imports, weights) is paid once a worker and is the makespan's business.
"""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Rates:
    """Measured on one worker, with one tower and all that its cells read.

    Attributes:
        start: Seconds until a fresh worker can take a group: imports, weights.
        cell: Seconds a cell before its first image: the method built, its text features.
        image: Seconds an image in the tower.
        score: Seconds an image and cell: the map, and its part of the pixel metrics.
        memory: Bytes that the worker held at its peak.
    """

    start: float
    cell: float
    image: float
    score: float
    memory: int


@dataclass(frozen=True)
class Work:
    """A group of cells by its size. `label` is how messages name it."""

    label: str
    tower: str
    images: int
    cells: int

    def seconds(self, rates: Rates) -> float:
        """Expected seconds on a worker that is up."""
        return self.cells * rates.cell + self.images * (rates.image + self.cells * rates.score)


@dataclass(frozen=True)
class Cost:
    """What a run will cost.

    Attributes:
        cells: Cells to run.
        passes: Groups: tower passes over a subset.
        images: Images through a tower, once a pass.
        seconds: Of work, summed over workers.
        memory: Bytes of one worker that comes to use every tower; an upper bound.
    """

    cells: int
    passes: int
    images: int
    seconds: float
    memory: int


def total_cost(works: Iterable[Work], rates: dict[str, Rates]) -> Cost:
    """Sums over groups, with the rates of each one's tower."""
    works = tuple(works)
    towers = sorted({work.tower for work in works})
    return Cost(
        cells=sum(work.cells for work in works),
        passes=len(works),
        images=sum(work.images for work in works),
        seconds=sum(work.seconds(rates[work.tower]) for work in works),
        memory=sum(rates[tower].memory for tower in towers),
    )
