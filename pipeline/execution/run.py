"""A run of the benchmark: from params and disk to groups of missing cells, and from results to files.

`open_run` plans and looks up the cell store, `Run.share` cuts what is too long for one worker into ranges,
`Run.do` runs one group or range, `Run.finish` writes `metrics/`, `scores/` and `examples/` and says how the
run ended. Who calls `do` in which thread, and who watches, is the flow's business.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from pipeline import catalog
from pipeline.cells import by_reason
from pipeline.errors import ZsadError, as_message
from pipeline.execution.backends import Backend
from pipeline.execution.ranges import Split, in_pieces, length
from pipeline.execution.retries import Record, attempt
from pipeline.execution.store import CellStore, PartStore, remove_parts
from pipeline.execution.systems import plan_cells, resolve_systems
from pipeline.execution.tasks import (
    CellTask,
    GroupTask,
    NoReferencesError,
    TaskBuilder,
    failed_result,
    known_columns,
)
from pipeline.execution.usage import Scored, Usage, together, unheard
from pipeline.params import Params
from pipeline.plan import Refused, Subset
from pipeline.results import LEFT_OUT, NOT_POSSIBLE, CellResult, CellRow, ResultsError, write_results
from pipeline.results.parquet import cell_rows, read_metrics
from pipeline.shards import Manifest, read_manifest

_NOTES = {
    "worker_lost": "{group}: lost its worker ({reason})",
    "batch_halved": "{group}: memory was short, batch halved to {to} ({reason})",
    "range_not_kept": "{group}: scored again with its group, as its scores cannot be kept in {folder}",
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

    `left_out` are cells whose auxiliary set is not here, which params say to go without, and those of the
    few-shot track whose subset has too few reference images. `record` is told of every event; `notes` and
    `usages` are what the summary says of retries and cost.
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
    _splits: dict[tuple[str, ...], Split] = field(default_factory=dict, init=False)

    def share(self, workers: int) -> None:
        """Cut what would keep one of so many workers too long, and leave out images that are scored already.

        To be called once, by the only evaluation of the profile, before any group runs.
        """
        groups = in_pieces(self.tasks, workers)
        self.tasks = sorted((piece for _, pieces in groups for piece in pieces), key=length, reverse=True)
        self._splits = {whole.place: Split(whole, pieces) for whole, pieces in groups if len(pieces) > 1}
        kept = sum(whole.images - whole.images_to_score for whole, _ in groups)
        self.record("groups_shared", workers=workers, tasks=len(self.tasks), cut=len(self._splits), kept=kept)

    def do(self, task: GroupTask, backend: Backend, scored: Scored = unheard) -> tuple[CellResult, ...]:
        """Run one group or range, keep what is finished at once, and return the results of cells that ended.

        The group of which the last range has ended is run, too, which finishes its cells. `scored` is told
        now and then how many of the images are scored.
        """
        split = None if task.rows is None else self._splits[task.place]
        results = self._attempt(split.living(task) if split else task, backend, scored)
        if split:
            results, whole = split.end(results)
            results += self._attempt(whole, backend, unheard) if whole else ()
        for result in results:
            self._keep(result, PartStore(task.parts))
        self.results.extend(results)
        return results

    def _attempt(self, task: GroupTask, backend: Backend, scored: Scored) -> tuple[CellResult, ...]:
        """The results of a group, or of the cells that failed in a range."""
        if not task.cells:
            return ()
        once = partial(backend.run, scored=scored)
        try:
            results, usage = attempt(task, once, retries=self.params.compute.retries, record=self._record)
        except ZsadError as error:
            results = tuple(failed_result(cell.columns, str(error)) for cell in task.cells)
        else:
            self.usages.append(usage)
            self.record("group_finished", group=task.label, tower=task.tower.name, usage=usage)
        failed = {result.row.cell_key for result in results}
        if task.rows and not PartStore(task.parts).has(
            (key for key in task.keys if key not in failed), task.rows
        ):
            self._record("range_not_kept", group=task.label, folder=str(task.parts))
        return results

    def _keep(self, result: CellResult, parts: PartStore) -> None:
        """Put a finished cell into the store, in place of its parts.

        One that does not fit is still a result of this run.
        """
        row = result.row
        if row.error is not None:
            self.record("cell_failed", cell=row.name, reason=row.error)
            return
        try:
            self.store.put(result)
        except OSError as error:
            self._record("cell_not_kept", cell=row.name, reason=str(error))
        else:
            if row.cell_key:
                parts.remove(row.cell_key)
        self.record("cell_finished", cell=row.name, key=row.cell_key)

    def _record(self, event: str, **facts: Any) -> None:
        """Record an event that the summary mentions, too."""
        self.record(event, **facts)
        if event in _NOTES:
            self.notes.append(_NOTES[event].format(**facts))

    def finish(self) -> Summary:
        """Write the files of all cells, failed ones included, and say how the run ended.

        Of cells that failed what they have of ranges is kept for the next run; other parts are removed.

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
        lacking = {result.row.cell_key or "" for result in self.results if result.row.error}
        remove_parts(self.params.profile, keep=lacking)
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
    groups, refused = plan_cells(params, resolve_systems(params), subsets)
    build = TaskBuilder(params, manifests)
    run = Run(params, store, refused=refused, record=record)
    for group in groups:
        missing: list[CellTask] = []
        for cell in group.cells:
            try:
                task = build.cell_task(cell)
            except NoReferencesError as error:
                run.left_out.append((cell, f"{NOT_POSSIBLE}: {error}"))
                continue
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
