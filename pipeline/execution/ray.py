"""Groups on Ray workers: Ray places the workers, `pipeline.execution.retries` decides about lost ones.

A worker is an actor: Ray gives it CPUs, and a GPU where groups want one, for its life. CUDA keeps the device
of its first use in a process, so a worker that changed its GPU from group to group, as Ray's tasks do, would
compute on another one than it was given; an actor cannot, and it keeps its towers. Workers start while the
cluster has room and a group waits. `ray.wait` with a short time limit lets a cancelled run end at once, and
counts the time of the group itself, not of its waiting. A group that hangs is given up, and said before.
"""

import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Event, Lock
from typing import Any

import ray
from ray.exceptions import OutOfMemoryError as RayOutOfMemoryError
from ray.exceptions import RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from pipeline.errors import ZsadError
from pipeline.execution.cluster import Demand, first_line, last_line, ray_session, refusal, width
from pipeline.execution.retries import (
    GroupFailedError,
    LostWorkerError,
    OutOfMemoryError,
    StoppedError,
    TimeLimitError,
)
from pipeline.execution.tasks import GroupTask, Report
from pipeline.execution.usage import Place, Scored, here, unheard
from pipeline.execution.worker import Worker, Workplace, WorkplaceError, kill_worker, stopped_workers
from pipeline.params import ComputeParams

_POLL_SECONDS = 0.5
_AT_ANY_TIME = "at any time"
_UNPLACED_SECONDS = 30
"""How long a group may wait while no node could take it: a node that died is often back soon."""
_STOPPED_SECONDS = 60.0
_NOTICE_SECONDS = 600.0  # then twice as long, and so on
_LEAST_LIMIT, _IMAGE_SECONDS = 3600.0, 30.0


@dataclass(frozen=True)
class _Hired:
    """A worker, and where it runs, as soon as it does."""

    actor: Any
    entered: "Future[Place]"


class _Crew:
    """The workers of a run: as many as the cluster holds, each with one group at a time."""

    def __init__(self, demand: Demand, workplace: Workplace) -> None:
        self._demand, self._workplace = demand, workplace
        # No retries by Ray: it would not say so, and would not know when to halve the batch.
        # In its group of calls a worker answers how far it is, whatever it is at.
        actor = ray.remote(concurrency_groups={_AT_ANY_TIME: 1})(Worker)
        self._hire = actor.options(num_cpus=demand.cpus, num_gpus=demand.gpu_share)
        self._free: SimpleQueue[_Hired] = SimpleQueue()
        self._hired = 0  # those that start included
        self._lock = Lock()

    def take(self) -> _Hired | None:
        """A worker that is free within half a second; another one is hired where there is none and room."""
        with self._lock:
            if self._free.empty() and self._hired < width(self._demand):
                self._hired += 1
                actor = self._hire.remote()
                entered = actor.enter.remote(self._workplace).future()
                entered.add_done_callback(lambda done: self._free.put(_Hired(actor, done)))
        try:
            return self._free.get(timeout=_POLL_SECONDS)
        except Empty:
            return None

    def give(self, worker: _Hired) -> None:
        """Take back a worker that can do another group."""
        self._free.put(worker)

    def dismiss(self, worker: _Hired) -> None:
        """End a worker, and give its place to another."""
        with suppress(Exception):  # a Ray that is gone ends nobody, and says why elsewhere
            ray.kill(worker.actor)
        with self._lock:
            self._hired -= 1


class RayBackend:
    """See `pipeline.execution.backends.Backend`."""

    def __init__(self, compute: ComputeParams, workplace: Workplace) -> None:
        self._stopped = Event()
        self._limit = compute.time_limit
        self._running: dict[str, float] = {}  # a group's place: since when
        self._moved = time.monotonic()  # when a group last started or ended
        self._demand = Demand.of(compute)
        self._crew = _Crew(self._demand, workplace)

    @property
    def workers(self) -> int:
        """See `Backend.workers`."""
        return width(self._demand)

    def run(self, task: GroupTask, started: Callable[[Place], None], scored: Scored = unheard) -> Report:
        """See `Backend.run`."""
        worker, lives = self._free_worker(task), False
        try:
            report = self._report(worker, task, started, scored)
            lives = True
            return report
        except RayError as error:
            failure = _failure(error, task)
            lives = isinstance(error, RayTaskError) and not isinstance(
                failure, LostWorkerError | WorkplaceError
            )
            raise failure from error
        finally:
            (self._crew.give if lives else self._crew.dismiss)(worker)

    def _report(
        self, worker: _Hired, task: GroupTask, started: Callable[[Place], None], scored: Scored
    ) -> Report:
        place = worker.entered.result()
        started(place)
        self._moved = self._running[str(place)] = time.monotonic()
        try:
            coming = worker.actor.run.options(name=task.label).remote(task)
            self._wait_for(coming, task, place, _asking(worker.actor, scored))
            report: Report = ray.get(coming)
            return report
        finally:
            del self._running[str(place)]
            self._moved = time.monotonic()

    def _free_worker(self, task: GroupTask) -> _Hired:
        begun = placeable = time.monotonic()
        limit = self._most(task)
        while (worker := self._crew.take()) is None:
            if self._stopped.is_set():
                raise StoppedError
            if time.monotonic() - begun > _STOPPED_SECONDS:
                self._end_stopped()
                begun = time.monotonic()
            if self.workers:
                placeable = time.monotonic()
            elif time.monotonic() - placeable > _UNPLACED_SECONDS:
                raise GroupFailedError(f"{task.label}: {refusal(self._demand)}")
            if not self._running and time.monotonic() - self._moved > limit:  # its worker hangs as it starts
                raise TimeLimitError(f"{task.label}: no worker took it for {limit:g} s")
        return worker

    def _end_stopped(self) -> None:
        """End workers that are stopped and run no group that we know of: one would wait for them for ever."""
        known = set(self._running)
        for pid in stopped_workers():
            if str(here() | {"pid": pid}) not in known:
                kill_worker(pid)

    def _wait_for(self, coming: Any, task: GroupTask, place: Place, asked: Iterator[None]) -> None:
        start, limit, notice = time.monotonic(), self._most(task), _NOTICE_SECONDS
        while not ray.wait([coming], timeout=_POLL_SECONDS)[0]:
            if self._stopped.is_set():
                raise StoppedError
            next(asked)
            seconds = time.monotonic() - start
            if seconds > limit:
                _kill(place)
                which = "compute.time_limit" if self._limit else "what its images can take"
                reason = f"took longer than {which}, {limit:g} s; raise compute.time_limit"
                raise TimeLimitError(f"{task.label}: {reason}")
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


def _asking(actor: Any, scored: Scored) -> Iterator[None]:
    """Each time: tell `scored` what the worker has answered, and ask it again; nobody waits for an answer."""
    while True:
        answer = actor.scored.options(concurrency_group=_AT_ANY_TIME).remote()
        while not ray.wait([answer], timeout=0)[0]:
            yield
        scored(ray.get(answer))
        yield


def _kill(place: Place) -> None:
    """End a worker from its own machine: one that is stopped does not hear Ray."""
    for node in ray.nodes():
        if node["Alive"] and node["NodeManagerHostname"] == place["node"]:
            strategy = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            end = ray.remote(kill_worker).options(scheduling_strategy=strategy, num_cpus=0, max_retries=0)
            end.remote(place["pid"])


def _failure(error: RayError, task: GroupTask) -> ZsadError:
    """What a group died of, as the policy knows it."""
    if isinstance(error, RayTaskError):
        if isinstance(error.cause, ZsadError):
            return error.cause
        return GroupFailedError(f"{task.label}: {type(error.cause).__name__}: {last_line(error.cause)}")
    if isinstance(error, RayOutOfMemoryError):
        return OutOfMemoryError(f"its node was short of memory: {first_line(error)}")
    return LostWorkerError(first_line(error))
