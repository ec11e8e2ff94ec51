"""How a run ended, for people and for the exit code: cells, failures, what was tried again, cost.

A run of the benchmark: from params and disk to groups of missing cells, and from results to files.

`open_run` plans and looks up the cell store, `Run.evaluate` does one group, `Run.finish` writes `metrics/`
and `scores/`. Who calls `evaluate` in which thread, and who watches, is the flow's business.


What failed in the last evaluation, by its result files: cells that the next one tries again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pipeline import catalog
from pipeline.errors import ZsadError, as_message
from pipeline.execution.backends import Backend
from pipeline.execution.retries import Record, run_group
from pipeline.execution.store import CellStore
from pipeline.execution.systems import resolve_entries
from pipeline.execution.tasks import Assignment, CellTask, GroupTask, failed_result
from pipeline.execution.usage import Usage
from pipeline.params import Params
from pipeline.plan import Cell, Failure, Subset, make_plan
from pipeline.results import CellKey, CellResult, CellRow, ResultsError, write_results
from pipeline.results.parquet import cell_rows, read_metrics
from pipeline.shards import Manifest, read_manifest


def _cells(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{len(names)} cells, first {names[0]}"


@dataclass(frozen=True)
class Cost:
    """Seconds of all groups together by phase, and the highest memory of any, bytes."""

    seconds: dict[str, float] = field(default_factory=dict)
    memory: int = 0
    gpu_memory: int | None = None

    @classmethod
    def of(cls, usages: Iterable[Usage]) -> "Cost":
        """Together."""
        usages = tuple(usages)
        names = dict.fromkeys(name for usage in usages for name in usage.seconds)
        gpu = [usage.gpu_memory for usage in usages if usage.gpu_memory is not None]
        return cls(
            {name: sum(usage.seconds.get(name, 0.0) for usage in usages) for name in names},
            max((usage.memory for usage in usages), default=0),
            max(gpu, default=None),
        )

    def named(self) -> dict[str, float]:
        """The seconds as `groups.<phase>`."""
        return {f"groups.{name}": seconds for name, seconds in self.seconds.items()}

    def lines(self) -> list[str]:
        """Times, then memory; nothing where no group ran."""
        if not self.seconds:
            return []
        times = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in self.seconds.items())
        gpu = "" if self.gpu_memory is None else f", {_gib(self.gpu_memory)} on the GPU"
        return [f"time in groups: {times}", f"memory of a worker, at most: {_gib(self.memory)}{gpu}"]


def _gib(size: int) -> str:
    return f"{size / 2**30:.2f} GiB"


@dataclass(frozen=True)
class Summary:
    """Cells by what became of them, and each reason of failure with the cells that it cost.

    `notes` says what was tried again and what could not be kept.
    """

    run: int
    reused: int
    failures: Mapping[str, list[str]]
    notes: tuple[str, ...] = ()
    cost: Cost = field(default_factory=Cost)

    @property
    def failed(self) -> int:
        """Cells without numbers."""
        return sum(len(cells) for cells in self.failures.values())

    @property
    def complete(self) -> bool:
        """Whether every cell that params ask for has its numbers."""
        return not self.failures

    def counts(self) -> dict[str, int]:
        """Cells run, reused and failed."""
        return {"run": self.run, "reused": self.reused, "failed": self.failed}

    def lines(self) -> list[str]:
        """One line a reason of failure and a note, then cost, then the counts and whether that is all."""
        reasons = [f"failed: {reason} ({_cells(names)})" for reason, names in self.failures.items()]
        counts = ", ".join(f"{count} {kind}" for kind, count in self.counts().items())
        end = "complete" if self.complete else "incomplete"
        return [*reasons, *self.notes, *self.cost.lines(), f"cells: {counts}: {end}"]


_NOTES = {
    "worker_lost": "{group}: lost its worker ({reason})",
    "batch_halved": "{group}: memory was short, batch halved to {to} ({reason})",
    "cell_not_kept": "{cell}: has its numbers but could not be kept for the next run ({reason})",
}


def _silent(_event: str, **_facts: Any) -> None:
    """Where nobody listens."""


@dataclass
class Run:
    """Groups whose cells are missing, and what is already known of the others.

    `record` is told of every event; `notes` and `usages` are what the summary says of retries and cost.
    """

    params: Params
    store: CellStore
    tasks: list[GroupTask] = field(default_factory=list)
    reused: list[CellResult] = field(default_factory=list)
    refused: list[Failure] = field(default_factory=list)
    results: list[CellResult] = field(default_factory=list)
    record: Record = _silent
    notes: list[str] = field(default_factory=list)
    usages: list[Usage] = field(default_factory=list)

    def evaluate(self, task: GroupTask, backend: Backend) -> tuple[CellResult, ...]:
        """Run one group, keep its finished cells at once, and return the results of all of them."""
        try:
            report = run_group(task, backend.run, retries=self.params.compute.retries, record=self._record)
        except ZsadError as error:
            results = tuple(failed_result(task, cell, str(error)) for cell in task.cells)
        else:
            results = report.results
            self.usages.append(report.usage)
            self.record("group_finished", group=task.label, tower=task.tower.name, usage=report.usage)
        for cell, result in zip(task.cells, results, strict=True):
            self._keep(cell, result)
        self.results.extend(results)
        return results

    def _keep(self, cell: CellTask, result: CellResult) -> None:
        """Put a finished cell into the store; one that does not fit is still a result of this run."""
        if result.row.error is not None:
            self.record("cell_failed", cell=cell.cell.label, reason=result.row.error)
            return
        try:
            self.store.put(result)
        except OSError as error:
            self._record("cell_not_kept", cell=cell.cell.label, reason=str(error))
        self.record("cell_finished", cell=cell.cell.label, key=cell.key)

    def _record(self, event: str, **facts: Any) -> None:
        """Record an event that the summary mentions, too."""
        self.record(event, **facts)
        if event in _NOTES:
            self.notes.append(_NOTES[event].format(**facts))

    def finish(self) -> Summary:
        """Write `metrics/` and `scores/` of all cells, failed ones included, and say how the run ended."""
        results = [*self.reused, *self.results, *(_refused(self.params, failure) for failure in self.refused)]
        try:
            write_results(results, self.params.results)
        except OSError as error:
            raise ResultsError(f"{as_message(error)}; finished cells are kept") from error
        failures: dict[str, list[str]] = {}
        for row in sorted((result.row for result in results if result.row.error), key=lambda row: row.name):
            failures.setdefault(str(row.error), []).append(row.name)
        finished = sum(result.row.status == "ok" for result in self.results)
        return Summary(
            run=finished,
            reused=len(self.reused),
            failures=failures,
            notes=tuple(sorted(self.notes)),
            cost=Cost.of(self.usages),
        )


def _refused(params: Params, failure: Failure) -> CellResult:
    cell = failure.cell
    tower = params.towers.get(cell.entry.tower)
    row = CellRow(
        profile=params.profile,
        dataset=cell.dataset,
        subset=cell.subset,
        method=cell.entry.method,
        variant=cell.entry.variant,
        seed=cell.seed,
        auxiliary=cell.auxiliary,
        image_size=tower.image_size if tower else None,
        status="failed",
        error=failure.reason,
    )
    return CellResult(row, None)


def _prepared(params: Params) -> tuple[list[Subset], dict[str, Manifest]]:
    """Every subset to evaluate, and the manifests of the data sets that are prepared."""
    subsets: list[Subset] = []
    manifests: dict[str, Manifest] = {}
    for dataset in catalog.evaluated(params.every_dataset):
        try:
            manifest = read_manifest(params.shards / dataset)
        except ZsadError as error:
            subsets += [Subset(dataset, name, 0, str(error)) for name in catalog.record(dataset).subset_names]
            continue
        manifests[dataset] = manifest
        for entry in manifest.subsets:
            images = (entry.normal or 0) + (entry.anomalous or 0)
            subsets.append(Subset(dataset, entry.name, images, entry.error))
    return subsets, manifests


def open_run(params: Params, store: CellStore, record: Record = _silent) -> Run:
    """Plan the cells of `params` and sort them into finished, missing and refused.

    Args:
        params: what is asked for.
        store: where finished cells lie.
        record: is told what happens while the run goes on (see `pipeline.execution.log`).
    """
    resolved = resolve_entries(params)
    subsets, manifests = _prepared(params)
    plan = make_plan(
        [item.entry for item in resolved], subsets, seeds=params.seeds, tuned_on=params.auxiliary.tuned_on
    )
    assignment = Assignment(params, resolved, manifests)
    run = Run(params, store, refused=list(plan.refused), record=record)
    for group in plan.groups:
        missing: list[CellTask] = []
        for cell in group.cells:
            try:
                task = assignment.cell_task(cell)
            except ZsadError as error:
                run.refused.append(Failure(cell, str(error)))
                continue
            if known := store.get(task.key):
                run.reused.append(known)
            else:
                missing.append(task)
        if missing:
            run.tasks.append(assignment.group_task(group, tuple(missing)))
    return run


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
