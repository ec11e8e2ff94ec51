"""A run of the benchmark: from params and disk to groups of missing cells, and from results to files.

`open_run` plans and looks up the cell store, `Run.do` runs one group, `Run.finish` writes `metrics/`,
`scores/` and `examples/` and says how the run ended. Who calls `do` in which thread, and who watches, is the
flow's business.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from pipeline import catalog
from pipeline.cells import by_reason
from pipeline.errors import ZsadError, as_message
from pipeline.execution.backends import Backend
from pipeline.execution.retries import Record, attempt
from pipeline.execution.store import CellStore
from pipeline.execution.systems import resolve_systems
from pipeline.execution.tasks import CellTask, GroupTask, TaskBuilder, failed_result, known_columns
from pipeline.execution.usage import Scored, Usage, together, unheard
from pipeline.params import Params
from pipeline.plan import Refused, Subset, make_plan
from pipeline.results import LEFT_OUT, CellResult, CellRow, ResultsError, write_results
from pipeline.results.parquet import cell_rows, read_metrics
from pipeline.shards import Manifest, read_manifest

_NOTES = {
    "worker_lost": "{group}: lost its worker ({reason})",
    "batch_halved": "{group}: memory was short, batch halved to {to} ({reason})",
    "cell_not_kept": "{cell}: has its numbers but could not be kept for the next run ({reason})",
}

_MOST_NOTES = 20  # a full disk makes one a cell


def _silent(_event: str, **_facts: Any) -> None:
    """Where nobody listens."""


@dataclass(frozen=True)
class Summary:
    """How a run ended, for people and for the exit code.

    Attributes:
        run: cells that got their numbers now.
        reused: cells that had them.
        failures: name of each cell without numbers, and why.
        notes: what was tried again and what could not be kept.
        usage: what all groups cost.
    """

    run: int
    reused: int
    failures: Sequence[tuple[str, str]]
    notes: Sequence[str]
    usage: Usage

    @property
    def complete(self) -> bool:
        """Whether every cell that params ask for has its numbers."""
        return not self.failures

    def counts(self) -> dict[str, int]:
        """Cells run, reused and failed."""
        return {"run": self.run, "reused": self.reused, "failed": len(self.failures)}

    def seconds(self) -> dict[str, float]:
        """What all groups took, as `groups.<phase>`."""
        return {f"groups.{name}": seconds for name, seconds in self.usage.seconds.items()}

    def lines(self) -> list[str]:
        """One line per reason of failure and per note, then cost, then the counts and whether that is all."""
        failed = [f"failed: {line}" for line in by_reason(self.failures)]
        counts = ", ".join(f"{count} {kind}" for kind, count in self.counts().items())
        notes = list(self.notes[:_MOST_NOTES])
        if more := len(self.notes) - len(notes):
            notes.append(f"and {more} more such notes; the newest file in .zsad/runs has all")
        end = "complete" if self.complete else "incomplete"
        return [*failed, *notes, *self.usage.lines(), f"cells: {counts}: {end}"]


@dataclass
class Run:
    """Groups whose cells are missing, and what is already known of the others.

    `left_out` are cells whose auxiliary set is not here, which params say to go without. `record` is told of
    every event; `notes` and `usages` are what the summary says of retries and cost.
    """

    params: Params
    store: CellStore
    tasks: list[GroupTask] = field(default_factory=list)
    reused: list[CellResult] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    left_out: list[Refused] = field(default_factory=list)
    results: list[CellResult] = field(default_factory=list)
    record: Record = _silent
    notes: list[str] = field(default_factory=list)
    usages: list[Usage] = field(default_factory=list)

    def do(self, task: GroupTask, backend: Backend, scored: Scored = unheard) -> tuple[CellResult, ...]:
        """Run one group, keep its finished cells at once, and return the results of all of them.

        `scored` is told now and then how many of its images are scored.
        """
        once = partial(backend.run, scored=scored)
        try:
            results, usage = attempt(task, once, retries=self.params.compute.retries, record=self._record)
        except ZsadError as error:
            results = tuple(failed_result(cell.columns, str(error)) for cell in task.cells)
        else:
            self.usages.append(usage)
            self.record("group_finished", group=task.label, tower=task.tower.name, usage=usage)
        for result in results:
            self._keep(result)
        self.results.extend(results)
        return results

    def _keep(self, result: CellResult) -> None:
        """Put a finished cell into the store; one that does not fit is still a result of this run."""
        row = result.row
        if row.error is not None:
            self.record("cell_failed", cell=row.name, reason=row.error)
            return
        try:
            self.store.put(result)
        except OSError as error:
            self._record("cell_not_kept", cell=row.name, reason=str(error))
        self.record("cell_finished", cell=row.name, key=row.cell_key)

    def _record(self, event: str, **facts: Any) -> None:
        """Record an event that the summary mentions, too."""
        self.record(event, **facts)
        if event in _NOTES:
            self.notes.append(_NOTES[event].format(**facts))

    def finish(self) -> Summary:
        """Write the files of all cells, failed ones included, and say how the run ended.

        Raises:
            ResultsError: they cannot be written.
        """
        refused, left_out = (
            [failed_result(known_columns(self.params, cell), reason) for cell, reason in cells]
            for cells in (self.refused, self.left_out)
        )
        results = [*self.reused, *self.results, *refused]
        try:
            write_results([*results, *left_out], self.params.results)
        except OSError as error:
            error.filename = error.filename or str(self.params.results)  # a write to an open file names none
            raise ResultsError(f"{as_message(error)}; finished cells are kept") from error
        failures = sorted((result.row.name, result.row.error) for result in results if result.row.error)
        finished = sum(result.row.status == "ok" for result in self.results)
        gone = by_reason((cell.key.name, reason) for cell, reason in self.left_out)
        notes = [*gone, *sorted(self.notes)]
        return Summary(finished, len(self.reused), failures, notes, together(self.usages))


def open_run(params: Params, store: CellStore, record: Record = _silent) -> Run:
    """Plan the cells of `params` and sort them into finished, missing and refused.

    Args:
        params: what is asked for.
        store: where finished cells lie.
        record: is told what happens while the run goes on (see `pipeline.execution.log`).
    """
    subsets, manifests = _prepared(params)
    groups, refused = make_plan(
        resolve_systems(params),
        subsets,
        seeds=params.seeds,
        tuned_on=params.tuned_on,
        holds_images_of=lambda auxiliary: catalog.record(auxiliary).holds_images_of,
    )
    build = TaskBuilder(params, manifests)
    run = Run(params, store, refused=refused, record=record)
    for group in groups:
        missing: list[CellTask] = []
        for cell in group.cells:
            try:
                task = build.cell_task(cell)
            except ZsadError as error:
                if cell.auxiliary and params.leaves_out(cell.auxiliary):
                    reason = f"{LEFT_OUT}: it is tuned on {cell.auxiliary}, which was not on this machine"
                    run.left_out.append((cell, reason))
                else:
                    run.refused.append((cell, str(error)))
                continue
            if known := store.get(task.content_key):
                # What a row says beside numbers is today's: titles, protocols, builds are in no key.
                run.reused.append(replace(known, row=replace(known.row, **task.columns)))
            else:
                missing.append(task)
        if missing:
            run.tasks.append(build.group_task(group, tuple(missing)))
    return run


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
        if manifest.limit != params.limit:
            limit = "without a limit" if manifest.limit is None else f"with limit={manifest.limit}"
            stale = f"{dataset} was prepared {limit}: run `dvc repro prepare@{dataset}`"
            subsets += [Subset(dataset, entry.name, 0, stale) for entry in manifest.subsets]
            continue
        manifests[dataset] = manifest
        for entry in manifest.subsets:
            images = (entry.normal or 0) + (entry.anomalous or 0)
            subsets.append(Subset(dataset, entry.name, images, entry.error))
    return subsets, manifests


def last_failures(run: Run) -> list[CellRow]:
    """The failed rows of the last evaluation, in the order of its files: what the next one tries again.

    Raises:
        ResultsError: there are no results yet, or they cannot be read.
    """
    rows = cell_rows(read_metrics(run.params.results / "metrics"))
    return [row for row in rows if row.status == "failed" and not row.is_left_out]


def only_failed(run: Run, failures: list[CellRow]) -> Run:
    """`run` cut down to the cells of `failures`: those that it would try again and those that it refuses."""
    keys = {row.key for row in failures}
    tasks = [replace(task, cells=tuple(it for it in task.cells if it.cell.key in keys)) for task in run.tasks]
    return replace(
        run,
        tasks=[task for task in tasks if task.cells],
        reused=[],
        refused=[(cell, reason) for cell, reason in run.refused if cell.key in keys],
    )
