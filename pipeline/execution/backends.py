"""Where a group runs: `serial` in this process, `ray` on a local or given Ray cluster. Same results.

Both turn a `GroupTask` into the results of its cells. An application error is a failed row, made where it
happens; a lost worker is the engine's business and is tried again there, `retries` times.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from threading import Event, Lock
from typing import Protocol

from pipeline.execution.tasks import GroupTask
from pipeline.params import ComputeParams
from pipeline.results import CellResult

Evaluate = Callable[[GroupTask], tuple[CellResult, ...]]


class Backend(Protocol):
    """Runs one group and waits for it. Called from several threads at once."""

    def run(self, task: GroupTask) -> tuple[CellResult, ...]:
        """The results of the group's cells, in their order."""

    def stop(self) -> None:
        """Give up the groups that run and refuse further ones: the run is being cancelled."""


class SerialBackend:
    """One group after the other, in this process."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._stopped = Event()

    def run(self, task: GroupTask) -> tuple[CellResult, ...]:
        """See `Backend.run`."""
        from pipeline.execution.scoring import evaluate_group

        with self._lock:
            if self._stopped.is_set():
                raise StoppedError
            return evaluate_group(task)

    def stop(self) -> None:
        """See `Backend.stop`."""
        self._stopped.set()


class StoppedError(RuntimeError):
    """A group was not run because the run was cancelled."""

    def __init__(self) -> None:
        super().__init__("the run was cancelled")


@contextmanager
def _serial(_compute: ComputeParams) -> Iterator[Backend]:
    yield SerialBackend()


def _ray(compute: ComputeParams) -> AbstractContextManager[Backend]:
    from pipeline.execution.ray_backend import ray_backend

    return ray_backend(compute)


_BACKENDS: dict[str, Callable[[ComputeParams], AbstractContextManager[Backend]]] = {
    "serial": _serial,
    "ray": _ray,
}


def open_backend(compute: ComputeParams) -> AbstractContextManager[Backend]:
    """The backend that `compute.backend` names; it is up inside the `with` block."""
    return _BACKENDS[compute.backend](compute)
