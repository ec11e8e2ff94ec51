"""Groups as Ray tasks: Ray places them, `pipeline.execution.retries` decides about lost ones.

A task first says where it runs, then hands over its report. Workers keep their tower between groups.
`ray.wait` with a short time limit lets a cancelled run end at once, and counts the time of the group itself,
not of its waiting for a free worker. A group that hangs is given up, and said before.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event
from typing import Any

import ray
from ray.exceptions import OutOfMemoryError as RayOutOfMemoryError
from ray.exceptions import RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from pipeline.errors import ZsadError
from pipeline.execution.cluster import Demand, last_line, ray_session, refusal, width
from pipeline.execution.local_ray import first_line
from pipeline.execution.retries import (
    GroupFailedError,
    LostWorkerError,
    OutOfMemoryError,
    StoppedError,
    TimeLimitError,
)
from pipeline.execution.tasks import GroupTask, Report
from pipeline.execution.usage import Place, here
from pipeline.execution.worker import Workplace, kill_worker, run_on_node, stopped_workers
from pipeline.params import ComputeParams

_POLL_SECONDS = 0.5
_UNPLACED_SECONDS = 30
"""How long a group may wait while no node could take it: a node that died is often back soon."""
_STOPPED_SECONDS = 60.0
_NOTICE_SECONDS = 600.0  # then twice as long, and so on
_LEAST_LIMIT, _IMAGE_SECONDS = 3600.0, 30.0


class RayBackend:
    """See `pipeline.execution.backends.Backend`."""

    def __init__(self, compute: ComputeParams, workplace: Workplace) -> None:
        self._stopped = Event()
        self._limit = compute.time_limit
        self._running: dict[str, float] = {}  # a group's place: since when
        self._moved = time.monotonic()  # when a group last started or ended
        self._demand = Demand.of(compute)
        self._workplace = workplace
        # No retries by Ray: it would not say so, and would not know when to halve the batch.
        self._placement = {
            "num_cpus": self._demand.cpus,
            "num_gpus": self._demand.gpus,
            "num_returns": "streaming",
            "max_retries": 0,
        }
        self._remote = ray.remote(run_on_node)

    @property
    def workers(self) -> int:
        """See `Backend.workers`."""
        return width(self._demand)

    def run(self, task: GroupTask, started: Callable[[Place], None]) -> Report:
        """See `Backend.run`."""
        items = self._remote.options(name=task.label, **self._placement).remote(task, self._workplace)
        self._wait_for_start(items, task)
        place: Place = _value(items, task)
        started(place)
        self._moved = self._running[str(place)] = time.monotonic()
        try:
            self._wait_for_end(items, task, place)
            report: Report = _value(items, task)
            return report
        finally:
            del self._running[str(place)]
            self._moved = time.monotonic()

    def _ready(self, items: Any) -> bool:
        """Whether the next item is there, after at most half a second."""
        if self._stopped.is_set():
            raise _given_up(items, StoppedError())
        return bool(ray.wait([items], timeout=_POLL_SECONDS)[0])

    def _wait_for_start(self, items: Any, task: GroupTask) -> None:
        begun = placeable = time.monotonic()
        limit = self._most(task)
        while not self._ready(items):
            if time.monotonic() - begun > _STOPPED_SECONDS:
                self._end_stopped()
                begun = time.monotonic()
            if self.workers:
                placeable = time.monotonic()
            elif time.monotonic() - placeable > _UNPLACED_SECONDS:
                raise _given_up(items, GroupFailedError(f"{task.label}: {refusal(self._demand)}"))
            if not self._running and time.monotonic() - self._moved > limit:  # its worker hangs as it starts
                raise _given_up(items, TimeLimitError(f"{task.label}: no worker took it for {limit:g} s"))

    def _end_stopped(self) -> None:
        """End workers that are stopped and run no group that we know of: one may have been given to them."""
        known = set(self._running)
        for pid in stopped_workers():
            if str(here() | {"pid": pid}) not in known:
                kill_worker(pid)

    def _wait_for_end(self, items: Any, task: GroupTask, place: Place) -> None:
        start, limit, notice = time.monotonic(), self._most(task), _NOTICE_SECONDS
        while not self._ready(items):
            seconds = time.monotonic() - start
            if seconds > limit:
                _kill(place)
                which = "compute.time_limit" if self._limit else "what its images can take"
                reason = f"took longer than {which}, {limit:g} s; raise compute.time_limit"
                raise _given_up(items, TimeLimitError(f"{task.label}: {reason}"))
            if seconds > notice:
                notice *= 2
                if min(self._running, key=self._running.__getitem__) == str(place):
                    sys.stderr.write(
                        f"{task.label} has been running for {seconds / 60:.0f} min in process {place['pid']}"
                        f" on {place['node']}; it is given up after {limit / 60:.0f} min\n"
                    )

    def _most(self, task: GroupTask) -> float:
        """Seconds that a group may run; where params do not say, far more than a slow machine needs."""
        return self._limit or max(_LEAST_LIMIT, _IMAGE_SECONDS * task.images)

    def stop(self) -> None:
        """See `Backend.stop`."""
        self._stopped.set()


@contextmanager
def ray_backend(compute: ComputeParams) -> Iterator[RayBackend]:
    """Ray on the cluster of `RAY_ADDRESS` or on this machine; left or stopped at the end."""
    with ray_session(compute) as workplace:
        yield RayBackend(compute, workplace)


def _kill(place: Place) -> None:
    """End a worker from its own machine: one that is stopped does not hear Ray."""
    for node in ray.nodes():
        if node["Alive"] and node["NodeManagerHostname"] == place["node"]:
            strategy = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            end = ray.remote(kill_worker).options(scheduling_strategy=strategy, num_cpus=0, max_retries=0)
            end.remote(place["pid"])


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
