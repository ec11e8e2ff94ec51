"""Pure planning: which cells, in which groups, in what order, at what cost. No engine, no file."""

from pipeline.plan.cost import Rates, Simulation, makespan, simulate, useful_workers
from pipeline.plan.planner import Cell, Group, Refused, ResolvedSystem, Subset, kind_of, make_plan

__all__ = [
    "Cell",
    "Group",
    "Rates",
    "Refused",
    "ResolvedSystem",
    "Simulation",
    "Subset",
    "kind_of",
    "make_plan",
    "makespan",
    "simulate",
    "useful_workers",
]
