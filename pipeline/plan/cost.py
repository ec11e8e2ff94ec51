"""What a run will cost at rates that were measured elsewhere, and on how many workers. Pure arithmetic.

A group costs a fixed part for each cell (method built, text features, metrics at the end), and for every
image one tower pass and one map per cell, whose pixels are counted where there are masks. A group that is cut
into ranges builds its methods once a range, and adds up the parts of its cells with the last one. A worker's
start (imports, weights) is paid once per worker. Groups and ranges are handed out longest first, each to
the worker that is free first, as the backends do it.
Longest first, the makespan is at most 4/3 of the best possible one (Graham, 1969).
"""

import heapq
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Rates:
    """Measured on one worker, with one tower and all that its cells read.

    Attributes:
        start: Seconds until a fresh worker can take a group: imports, the tower built from weights in memory.
        cell: Seconds a cell before its first image: the method built, its text features.
        image: Seconds an image in the tower.
        score: Seconds an image and cell: the map and the image score.
        pixels: Seconds more an image and cell where there are masks: the pixels of the map counted and drawn.
        finish: Seconds more a cell where there are masks: its pixel metrics.
        part: Seconds more a cell and range where there are masks: its part kept, read and added.
        memory: Bytes that the worker held at its peak.
        pair: Seconds more a cell for each pair of images, of the batch track.
    """

    start: float
    cell: float
    image: float
    score: float
    pixels: float
    finish: float
    part: float
    memory: int
    pair: float = 0.0

    def seconds(self, images: int, cells: int, *, masks: bool) -> float:
        """Expected seconds of a group on a worker that is up."""
        return sum(self.pieces([images], cells, masks=masks))

    def pieces(self, images: Sequence[int], cells: int, *, masks: bool) -> list[float]:
        """Expected seconds of each range of a group that is cut, by their images; of one range, of the group.

        What there is to do when the others have ended is in the last one.
        """
        mapped = self.score + (self.pixels if masks else 0.0)
        found = [cells * self.cell + count * (self.image + cells * mapped) for count in images]
        if masks:
            found[-1] += cells * (self.finish + (len(found) * self.part if len(found) > 1 else 0.0))
        found[-1] += cells * self.pair * sum(images) ** 2  # the batch track's groups are not cut
        return found


@dataclass(frozen=True)
class Simulation:
    """A plan on some workers.

    Attributes:
        workers: How many, each with a GPU or with CPUs of its own.
        seconds: Until the last group ends, the workers' start included.
        speedup: Times as fast as one worker.
        busy: Share of the workers' time that is work.
        limit: What keeps it from being faster.
    """

    workers: int
    seconds: float
    speedup: float
    busy: float
    limit: str


def makespan(durations: Iterable[float], workers: int) -> float:
    """Seconds until the last of the groups ends; they start in the given order.

    Raises:
        ValueError: there is no worker.

    Examples:
        >>> makespan([5, 4, 3, 3], workers=2)
        8.0
    """
    if workers < 1:
        raise ValueError(f"{workers} workers cannot run anything")
    free = [0.0] * workers
    for seconds in durations:
        heapq.heapreplace(free, free[0] + seconds)
    return max(free)


Pieces = Callable[[int], Sequence[tuple[str, float]]]
"""Label and seconds of each group or range as so many workers do them, in the order of the plan."""


def simulate(pieces: Pieces, workers: Iterable[int], *, start: float) -> tuple[Simulation, ...]:
    """The same work on clusters of several sizes.

    Args:
        pieces: What there is to do.
        workers: Sizes of the clusters.
        start: Seconds until a worker can take its first group.
    """
    alone = start + sum(seconds for _, seconds in pieces(1))
    simulations = []
    for count in workers:
        groups = pieces(count)
        durations = [seconds for _, seconds in groups]
        work = sum(durations)
        seconds = start + makespan(durations, count)
        busy = work / (count * seconds) if seconds else 0.0
        speedup = alone / seconds if seconds else 1.0
        simulations.append(Simulation(count, seconds, speedup, busy, _limit(groups, count, start)))
    return tuple(simulations)


def useful_workers(durations: Sequence[float]) -> int:
    """The fewest workers with which the makespan is that of the longest group: more of them are of no use.

    Examples:
        >>> useful_workers([5, 4, 3, 3])
        4
    """
    longest = max(durations, default=0.0)
    if longest <= 0:
        return 1
    count = math.ceil(sum(durations) / longest)
    while makespan(durations, count) > longest:
        count += 1
    return count


def _limit(groups: Sequence[tuple[str, float]], workers: int, start: float) -> str:
    if not groups:
        return "nothing to run"
    durations = [seconds for _, seconds in groups]
    span = makespan(durations, workers)
    label, longest = max(groups, key=lambda group: group[1])
    if workers > 1 and span <= longest:
        return f"its longest group, {label}; more workers than {useful_workers(durations)} are of no use"
    if start > span:
        return "the start of the workers"
    return "its work" if span <= 1.1 * sum(durations) / workers else "uneven groups at the end"
