"""Stages without Prefect, for tests; the evaluation serial or, with several threads, on Ray."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from pipeline.datasets import prepare_dataset
from pipeline.execution.backends import open_backend
from pipeline.execution.retries import Record
from pipeline.execution.run import Summary, open_run
from pipeline.execution.store import CellStore
from pipeline.execution.training import Trainer
from pipeline.params import load_params
from tests.project import Project

CELLS = 6 * 2


class Events:
    """Keeps the events of a run."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, event: str, **facts: Any) -> None:
        self.seen.append((event, facts))

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The facts of every event of one kind."""
        return [facts for event, facts in self.seen if event == kind]


def use_plain_methods(project: Project) -> None:
    """Ask for two methods that learn nothing: `CELLS` cells."""
    project.set_param("methods", {name: {"layers": [8], "sigma": 1.0} for name in ("clip", "clip_ac")})


def forget(project: Project) -> None:
    """Throw away cells and results."""
    for folder in (".zsad", "results"):
        shutil.rmtree(project.folder / folder, ignore_errors=True)


def evaluate(record: Record | None = None, threads: int = 1, workers: int | None = None) -> Summary:
    """What the flow does, without Prefect, with up to `threads` groups in the backend's hands.

    Groups are cut for as many `workers` as the backend has, or for another number of them.
    """
    params = load_params()
    run = open_run(params, CellStore(), *([record] if record else []))
    if run.tasks:
        with open_backend(params.compute) as backend, ThreadPoolExecutor(threads) as pool:
            run.share(workers or backend.workers)
            for future in [pool.submit(run.do, task, backend) for task in run.tasks]:
                future.result()
    return run.finish()


def prepare(dataset: str) -> None:
    """What the stage does."""
    prepare_dataset(load_params(), dataset)


def train(auxiliary: str) -> None:
    """What the flow does, without Prefect."""
    trainer = Trainer(load_params(), auxiliary)
    for _, tune in trainer.jobs():
        tune()
    trainer.close()
