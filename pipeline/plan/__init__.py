"""Pure planning: which cells, in which groups, in what order, at what cost. No engine, no file."""

from pipeline.plan.cells import Cell, Entry, Failure, Group, Plan, Subset
from pipeline.plan.cost import Cost, Rates, Work, total_cost
from pipeline.plan.makespan import Simulation, makespan, simulate, useful_workers
from pipeline.plan.planner import make_plan

__all__ = [
    "Cell",
    "Cost",
    "Entry",
    "Failure",
    "Group",
    "Plan",
    "Rates",
    "Simulation",
    "Subset",
    "Work",
    "make_plan",
    "makespan",
    "simulate",
    "total_cost",
    "useful_workers",
]
