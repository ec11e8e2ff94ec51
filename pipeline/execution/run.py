"""A run of the benchmark: from params and disk to groups of missing cells, and from results to files.

`open_run` plans and looks up the cell store, `Run.evaluate` does one group, `Run.finish` writes `metrics/`
and `scores/`. Who calls `evaluate` in which thread, and who watches, is the flow's business.
"""

from dataclasses import dataclass, field
from typing import Any

from pipeline import catalog
from pipeline.errors import ZsadError
from pipeline.execution.assignment import Assignment
from pipeline.execution.backends import Backend
from pipeline.execution.cell_store import CellStore
from pipeline.execution.entries import resolve_entries
from pipeline.execution.failure_policy import Record, run_group
from pipeline.execution.summary import Cost, Summary
from pipeline.execution.tasks import CellTask, GroupTask, failed_result
from pipeline.execution.usage import Usage
from pipeline.params import Params
from pipeline.plan import Failure, Subset, make_plan
from pipeline.results import CellResult, CellRow, ResultsError, write_results
from pipeline.shards import Manifest, read_manifest

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
            raise ResultsError(
                f"{self.params.results} cannot be written ({error.strerror}): make room there and run again; "
                "finished cells are kept"
            ) from error
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
        record: is told what happens while the run goes on (see `pipeline.execution.run_log`).
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
