"""Where a group runs: `serial` in this process, `ray` on a local or given Ray cluster. Same results.

Both turn a `GroupTask` into a report with the results of its cells, once. An application error is a failed
row in it; what else may happen, and what is tried again, is in `pipeline.execution.retries`. `Slots` keeps
twice as many groups in a backend's hands as it has workers now: the next group is there before a worker is
free, and an interrupted run has few to end.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib import import_module
from threading import Condition, Event, Lock
from typing import Protocol

from pipeline.execution.retries import GroupFailedError, LostWorkerError, StoppedError
from pipeline.execution.tasks import GroupTask, Report
from pipeline.execution.usage import Place, Scored, here, unheard
from pipeline.params import ComputeParams

_PER_WORKER = 2
_LOOK_SECONDS = 2.0  # between two looks at a cluster that may have grown


class Backend(Protocol):
    """Runs one group and waits for it. Called from several threads at once."""

    @property
    def workers(self) -> int:
        """How many groups it can run at the same time, now."""

    def run(self, task: GroupTask, started: Callable[[Place], None], scored: Scored = unheard) -> Report:
        """The report of a group, tried once.

        Args:
            task: the group.
            started: is told where it runs, as soon as it does.
            scored: is told now and then how many of its images are scored.

        Raises:
            LostWorkerError: its process or node is gone.
            OutOfMemoryError: memory was short; a smaller batch may help.
            TimeLimitError: it took longer than `compute.time_limit`.
            GroupFailedError: it cannot be run.
            StoppedError: the run was cancelled.
        """

    def stop(self) -> None:
        """Give up the groups that run and refuse further ones: the run is being cancelled."""


class SerialBackend:
    """One group after the other, in this process."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._stopped = Event()
        self._lost: LostWorkerError | None = None

    @property
    def workers(self) -> int:
        """See `Backend.workers`."""
        return 1

    def run(self, task: GroupTask, started: Callable[[Place], None], scored: Scored = unheard) -> Report:
        """See `Backend.run`."""
        from pipeline.execution.worker import run_here

        with self._lock:
            if self._stopped.is_set():
                raise StoppedError
            if self._lost is None:
                started(here())
                try:
                    return run_here(task, scored)
                except LostWorkerError as error:
                    self._lost = error  # the next run has another process
            raise GroupFailedError(f"{task.label}: {self._lost}; run again") from self._lost

    def stop(self) -> None:
        """See `Backend.stop`."""
        self._stopped.set()


@contextmanager
def _serial(compute: ComputeParams) -> Iterator[Backend]:
    if compute.gpus > 1:
        sys.stderr.write(f"compute.backend serial uses one of the {compute.gpus} GPUs: take ray for more\n")
    yield SerialBackend()


def _ray(compute: ComputeParams) -> AbstractContextManager[Backend]:
    from pipeline.execution.ray import ray_backend

    return ray_backend(compute)


_BACKENDS: dict[str, Callable[[ComputeParams], AbstractContextManager[Backend]]] = {
    "serial": _serial,
    "ray": _ray,
}


def load_backend(compute: ComputeParams) -> None:
    """Import all that a run needs on the backend that `compute.backend` names: seconds, once a process."""
    import_module("pandas")  # Arrow loads it at its first use
    import_module(f"pipeline.execution.{'ray' if compute.backend == 'ray' else 'worker'}")


def open_backend(compute: ComputeParams) -> AbstractContextManager[Backend]:
    """The backend that `compute.backend` names; it is up inside the `with` block."""
    return _BACKENDS[compute.backend](compute)


class Slots:
    """Counts groups in hand; `take` waits for a free slot."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._taken = 0
        self._changed = Condition()

    def take(self) -> None:
        """Wait until there is a slot, and take it."""
        while True:
            most = _PER_WORKER * max(1, self._backend.workers)
            with self._changed:
                if self._taken < most:
                    self._taken += 1
                    return
                self._changed.wait(_LOOK_SECONDS)

    def give(self) -> None:
        """Give a slot back."""
        with self._changed:
            self._taken -= 1
            self._changed.notify_all()

    def drain(self, seconds: float) -> None:
        """Wait until every slot is free, `seconds` at most."""
        deadline = time.monotonic() + seconds
        with self._changed:
            self._changed.wait_for(lambda: not self._taken, max(0.0, deadline - time.monotonic()))
