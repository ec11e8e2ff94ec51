"""Groups as Ray tasks. Ray places them; what to do with a lost one is decided in `failure_policy`.

A task first says where it runs, then hands over its report. Workers keep their tower between groups.
`ray.wait` with a short time limit lets a cancelled run end at once, and counts the time of the group itself,
not of its waiting for a free worker.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event
from typing import Any

import ray
from ray.exceptions import OutOfMemoryError as RayOutOfMemoryError
from ray.exceptions import RayError, RayTaskError

from pipeline.errors import ZsadError
from pipeline.execution.backends import StoppedError
from pipeline.execution.failure_policy import (
    GroupFailedError,
    LostWorkerError,
    OutOfMemoryError,
    TimeLimitError,
)
from pipeline.execution.ray_cluster import Demand, first_line, last_line, ray_session, refusal, width
from pipeline.execution.tasks import GroupReport, GroupTask
from pipeline.execution.usage import Place
from pipeline.execution.worker import Workplace, evaluate
from pipeline.params import ComputeParams

_POLL_SECONDS = 0.5
_UNPLACED_SECONDS = 30
"""How long a group may wait while no node could take it: a node that died is often back soon."""


class RayBackend:
    """See `pipeline.execution.backends.Backend`."""

    def __init__(self, compute: ComputeParams, workplace: Workplace) -> None:
        self._stopped = Event()
        self._limit = compute.time_limit
        self._demand = Demand.of(compute)
        self._workplace = workplace
        # No retries by Ray: it would not say so, and would not know when to halve the batch.
        self._placement = {
            "num_cpus": self._demand.cpus,
            "num_gpus": self._demand.gpus,
            "num_returns": "streaming",
            "max_retries": 0,
        }
        self._remote = ray.remote(evaluate)

    @property
    def workers(self) -> int:
        """See `Backend.workers`."""
        return width(self._demand)

    def run(self, task: GroupTask, started: Callable[[Place], None]) -> GroupReport:
        """See `Backend.run`."""
        items = self._remote.options(name=task.label, **self._placement).remote(task, self._workplace)
        self._wait_for_start(items, task)
        started(_value(items, task))
        self._wait_for_end(items, task)
        report: GroupReport = _value(items, task)
        return report

    def _ready(self, items: Any) -> bool:
        """Whether the next item is there, after at most half a second."""
        if self._stopped.is_set():
            raise _given_up(items, StoppedError())
        return bool(ray.wait([items], timeout=_POLL_SECONDS)[0])

    def _wait_for_start(self, items: Any, task: GroupTask) -> None:
        placeable = time.monotonic()
        while not self._ready(items):
            if self.workers:
                placeable = time.monotonic()
            elif time.monotonic() - placeable > _UNPLACED_SECONDS:
                raise _given_up(items, GroupFailedError(f"{task.label}: {refusal(self._demand)}"))

    def _wait_for_end(self, items: Any, task: GroupTask) -> None:
        start = time.monotonic()
        while not self._ready(items):
            if self._limit is not None and time.monotonic() - start > self._limit:
                reason = f"took longer than compute.time_limit, {self._limit:g} s; raise it"
                raise _given_up(items, TimeLimitError(f"{task.label}: {reason}"))

    def stop(self) -> None:
        """See `Backend.stop`."""
        self._stopped.set()


def _given_up(items: Any, error: Exception) -> Exception:
    """`error`, after ending the task, its worker included where it has one."""
    ray.cancel(items, force=True)
    return error


def _value(items: Any, task: GroupTask) -> Any:
    """The next item of a task's stream; its errors as the policy knows them."""
    try:
        return ray.get(next(items))
    except RayTaskError as error:
        if isinstance(error.cause, ZsadError):
            raise error.cause from error
        raise GroupFailedError(
            f"{task.label}: {type(error.cause).__name__}: {last_line(error.cause)}"
        ) from error
    except RayOutOfMemoryError as error:
        raise OutOfMemoryError(f"its node was short of memory: {first_line(error)}") from error
    except RayError as error:
        raise LostWorkerError(first_line(error)) from error


@contextmanager
def ray_backend(compute: ComputeParams) -> Iterator[RayBackend]:
    """Ray on the cluster of `RAY_ADDRESS` or on this machine; left or stopped at the end."""
    with ray_session(compute) as workplace:
        yield RayBackend(compute, workplace)
