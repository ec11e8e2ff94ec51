"""What failed in the last evaluation, by its result files: cells that the next one tries again."""

from dataclasses import replace

from pipeline.execution.run import Run
from pipeline.plan import Cell
from pipeline.results import CellKey, CellRow
from pipeline.results.read import cell_rows, read_metrics


def last_failures(run: Run) -> list[CellRow]:
    """The failed rows of the last evaluation, in the order of its files.

    Raises:
        ResultsError: there are no results yet, or they cannot be read.
    """
    rows = cell_rows(read_metrics(run.params.results / "metrics"))
    return [row for row in rows if row.status == "failed"]


def only_failed(run: Run, failures: list[CellRow]) -> Run:
    """`run` cut down to the cells of `failures`: those that it would try again and those that it refuses."""
    keys = {row.key for row in failures}
    tasks = [
        replace(task, cells=tuple(cell for cell in task.cells if _key(cell.cell) in keys))
        for task in run.tasks
    ]
    return replace(
        run,
        tasks=[task for task in tasks if task.cells],
        reused=[],
        refused=[failure for failure in run.refused if _key(failure.cell) in keys],
    )


def _key(cell: Cell) -> CellKey:
    return (cell.dataset, cell.subset, cell.entry.method, cell.entry.variant, cell.seed)
