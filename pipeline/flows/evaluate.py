"""The flows `evaluate` and `train`: one thin task per group of cells or range of it, or per tuned method.

Prefect shows the groups, their cells and how far they are; Ray places them and survives lost workers, so the
tasks here have no retries. Each group waits for one piece of work in the backend. The learnt methods of an
auxiliary set are tuned one after the other, on the one device.
"""

import time
from contextlib import suppress
from functools import partial
from importlib import import_module
from pathlib import Path
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any, cast

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.futures import PrefectFuture, wait
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from pipeline.errors import TrainingError
from pipeline.execution.backends import Backend, Slots, load_backend, open_backend
from pipeline.execution.log import RunLog, recorded
from pipeline.execution.run import Run, Summary, open_run
from pipeline.execution.store import CellStore, only_run
from pipeline.execution.tasks import GroupTask
from pipeline.flows.artifacts import ProgressArtifact, artifact_key
from pipeline.flows.interrupts import cancellable, result_of
from pipeline.flows.server import best_effort
from pipeline.flows.sub_runs import run_in_parent
from pipeline.params import Params
from pipeline.progress import Steps, progress
from pipeline.results import CellResult, write_run

if TYPE_CHECKING:
    from pipeline.execution.training import Job, Trainer, Watch
    from pipeline.training import History

_STOP_SECONDS = 2


def _task_name(group: GroupTask) -> str:
    """`visa/pcb1, main tower`."""
    return f"{group.label}, {group.tower.name} tower"


def _log_cells(results: tuple[CellResult, ...]) -> int:
    """One line per cell in the log of its task; returns how many failed."""
    logger = get_run_logger()
    failed = 0
    for result in results:
        row = result.row
        if row.status == "failed":
            failed += 1
            logger.error("%s: failed: %s", row.name, row.error)
        else:
            logger.info("%s: finished", row.name)
    return failed


class _Images:
    """How many images of a run are scored, in the terminal and on its page. Safe for several threads."""

    def __init__(self, run: Run, steps: Steps) -> None:
        key, what = (
            artifact_key(run.params.profile, "progress"),
            f"Images of the {run.params.profile} profile",
        )
        self._steps, self._total = steps, sum(group.images for group in run.tasks)
        self._page = ProgressArtifact(key, self._total, what)
        self._of_group = [0] * len(run.tasks)
        self._lock = Lock()
        self.reach(0, 0)

    def reach(self, index: int, images: int) -> None:
        """So many of a group are scored. One that is tried again begins anew, but the count never falls."""
        with self._lock:
            self._of_group[index] = max(self._of_group[index], images)
            done = sum(self._of_group)
            self._steps.part("images", done, self._total)
            self._page.reach(done)


def _fan_out(run: Run) -> None:
    """Evaluate the missing groups; no missing group, no backend."""
    if not run.tasks:
        return
    with open_backend(run.params.compute) as backend:
        run.share(backend.workers)
        with progress("evaluate", len(run.tasks)) as steps:
            _hand_out(run, backend, steps)


def _hand_out(run: Run, backend: Backend, steps: Steps) -> None:
    """One task per group or range, as many at a time as `Slots` lets in."""
    images, slots = _Images(run, steps), Slots(backend)

    # Closes over the run: Prefect would walk through and serialise whatever is passed as an argument.
    @task(name="group", task_run_name="{label}", cache_policy=NO_CACHE)
    @cancellable
    def do_group(label: str, index: int) -> None:
        group = run.tasks[index]
        try:
            results = run.do(group, backend, partial(images.reach, index))
        finally:
            slots.give()
        failed = _log_cells(results)
        images.reach(index, group.images)
        ended = f"{len(results)} cells" if results or group.rows is None else "scored"
        steps.step(f"{label}: {ended}" + (f", {failed} failed" if failed else ""))

    futures = []
    try:
        for index, group in enumerate(run.tasks):
            slots.take()
            futures.append(do_group.submit(_task_name(group), index))
        wait(futures)
    except BaseException:
        # The backend goes down next: nobody may be inside it then. (Prefect's own wait with a time limit
        # leaves an alarm behind that ends the process.)
        backend.stop()
        slots.drain(_STOP_SECONDS)
        raise
    for future in futures:
        future.result()


@flow(name="evaluate", flow_run_name="evaluate {params.profile}", validate_parameters=False)
def _evaluate(params: Params, started: float) -> Summary:
    with only_run(params.profile), recorded(params, RunLog()) as log:
        run = open_run(params, CellStore(), log)
        log("run_planned", groups=len(run.tasks), reused=len(run.reused), refused=len(run.refused))
        _fan_out(run)
        log("groups_finished")
        summary = run.finish()
        log("run_finished", complete=summary.complete, **summary.counts())
        # Inside the lock: a run that lost its DVC may still be here when the next one has ended.
        write_run(
            params.results / "run.json",
            seconds={"evaluate": time.monotonic() - started, **summary.seconds()},
            cells=summary.counts(),
            repository=Path.cwd(),
        )
    with best_effort():
        create_table_artifact(
            [{"cells": kind, "count": count} for kind, count in summary.counts().items()],
            key=artifact_key(params.profile, "cells"),
            description=f"Cells of the {params.profile} profile",
        )
    return summary


def evaluate(params: Params) -> Summary:
    """Run the missing cells of `params`, write the results and `run.json`, and say how it ended."""
    runner: ThreadPoolTaskRunner[Any] = ThreadPoolTaskRunner()  # as many threads as `Slots` lets in
    started = time.monotonic()
    # ThreadPoolTaskRunner yields a narrower future than the option is annotated with.
    flow_now = _evaluate.with_options(task_runner=cast("TaskRunner[PrefectFuture[Any]]", runner))
    # Meanwhile Prefect waits for its server, so that torch and Ray cost no time of their own.
    Thread(target=load_backend, args=(params.compute,), name="imports").start()
    return run_in_parent(flow_now, params=params, started=started)


def _fit(job: "Job") -> "History":
    name, tune = job

    # Closes over the job: Prefect would walk through and serialise whatever is passed as an argument.
    @task(name="fit", task_run_name=name, cache_policy=NO_CACHE)
    @cancellable
    def fit() -> "History":
        return tune()

    return result_of(fit(return_state=True))


def _shown(steps: Steps, key: str) -> "Watch":
    """Shows how far a part of the training is, in the terminal and on the run's page."""
    pages: dict[str, ProgressArtifact] = {}

    def watch(what: str, done: int, total: int) -> None:
        steps.part(what, done, total)
        if what not in pages:
            pages.clear()
            pages[what] = ProgressArtifact(key, total, what)
        pages[what].reach(done)

    return watch


@flow(name="train", flow_run_name="train on {auxiliary}", validate_parameters=False)
def _train(params: Params, auxiliary: str) -> "Trainer":
    from pipeline.execution.training import Trainer

    trainer = Trainer(params, auxiliary)
    with progress(f"train on {auxiliary}", len(trainer)) as steps:
        for job in trainer.jobs(_shown(steps, artifact_key(params.profile, f"train-{auxiliary}"))):
            with suppress(TrainingError):  # its task says so, and the trainer names it
                _fit(job)
            steps.step(job[0])
    trainer.close()
    return trainer


def train(params: Params, auxiliary: str) -> "Trainer":
    """Tune every learnt system of `params` on `auxiliary` with every seed, and write the weights."""
    Thread(target=import_module, args=("pipeline.execution.training",), name="imports").start()
    return run_in_parent(_train, params=params, auxiliary=auxiliary)
