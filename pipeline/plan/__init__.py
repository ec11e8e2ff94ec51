"""Pure planning: which cells, in which groups, in what order, at what cost. No engine, no file."""

from pipeline.plan.cost import Cost, Rates, Simulation, Work, makespan, simulate, total_cost, useful_workers
from pipeline.plan.planner import Cell, Entry, Failure, Group, Plan, Subset, make_plan

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
