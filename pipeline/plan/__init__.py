"""Pure planning: which cells, in which groups, in what order. No engine, no file."""

from pipeline.plan.cells import Cell, Entry, Failure, Group, Plan, Subset
from pipeline.plan.planner import make_plan

__all__ = ["Cell", "Entry", "Failure", "Group", "Plan", "Subset", "make_plan"]
