"""Pure planning: which cells, in which groups, in what order, at what cost. No engine, no file."""

from pipeline.plan.cost import Pieces, Rates, Simulation, makespan, simulate, useful_workers
from pipeline.plan.planner import (
    Cell,
    Group,
    Refused,
    ResolvedSystem,
    Subset,
    cut,
    kind_of,
    longest_range,
    make_plan,
    stretches,
)

__all__ = [
    "Cell",
    "Group",
    "Pieces",
    "Rates",
    "Refused",
    "ResolvedSystem",
    "Simulation",
    "Subset",
    "cut",
    "kind_of",
    "longest_range",
    "make_plan",
    "makespan",
    "simulate",
    "stretches",
    "useful_workers",
]
