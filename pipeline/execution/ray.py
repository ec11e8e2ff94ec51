"""Groups as Ray tasks, on the cluster that `RAY_ADDRESS` names or on a Ray of this run's own.

Ray places them; what to do with a lost one is decided in `pipeline.execution.retries`. A request that no node
could ever take is refused at once with what is missing, where Ray would wait for ever. A task first says
where it runs, then hands over its report; workers keep their tower between groups. `ray.wait` with a short
time limit lets a cancelled run end at once, and counts the time of the group itself, not of its waiting for a
free worker.
"""

import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any
from urllib.parse import urlsplit

import ray
from ray.exceptions import OutOfMemoryError as RayOutOfMemoryError
from ray.exceptions import RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from pipeline.errors import ZsadError
from pipeline.execution.local_ray import ClusterError, first_line, init_ray, local_ray
from pipeline.execution.retries import (
    GroupFailedError,
    LostWorkerError,
    OutOfMemoryError,
    StoppedError,
    TimeLimitError,
)
from pipeline.execution.tasks import GroupTask, Report
from pipeline.execution.usage import Place
from pipeline.execution.worker import Workplace, kill_worker, probe, run_on_node
from pipeline.params import ComputeParams

_SECONDS = 5.0
_PORTS = {"http": 80, "https": 443}
_PROBE_SECONDS = 120
_POLL_SECONDS = 0.5
_CODE = Path(__file__).parents[2]  # what the driver runs; a node may have another version installed
_UNPLACED_SECONDS = 30
"""How long a group may wait while no node could take it: a node that died is often back soon."""
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
        placeable, limit = time.monotonic(), self._most(task)
        while not self._ready(items):
            if self.workers:
                placeable = time.monotonic()
            elif time.monotonic() - placeable > _UNPLACED_SECONDS:
                raise _given_up(items, GroupFailedError(f"{task.label}: {refusal(self._demand)}"))
            if not self._running and time.monotonic() - self._moved > limit:  # its worker hangs as it starts
                raise _given_up(items, TimeLimitError(f"{task.label}: no worker took it for {limit:g} s"))

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
            ray.remote(kill_worker).options(scheduling_strategy=strategy, num_cpus=0, max_retries=0).remote(
                place["pid"]
            )


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


def last_line(error: BaseException) -> str:
    """What an error on a worker says below its traceback."""
    return str(error).strip().rpartition("\n")[2] or type(error).__name__


@dataclass(frozen=True)
class Demand:
    """What one group asks for."""

    cpus: int
    gpus: int

    @classmethod
    def of(cls, compute: ComputeParams) -> "Demand":
        """As params configure it: the threads of a worker, and a GPU where there are any."""
        return cls(compute.threads, 1 if compute.gpus else 0)

    def fits(self, node: dict[str, Any]) -> int:
        """How many groups at a time a node, as `ray.nodes()` lists it, can hold."""
        has = node["Resources"]
        by_cpu = int(has.get("CPU", 0)) // self.cpus
        return min(by_cpu, int(has.get("GPU", 0)) // self.gpus) if self.gpus else by_cpu

    def __str__(self) -> str:
        return f"{self.cpus} CPU" + (f" and {self.gpus} GPU" if self.gpus else "")


@contextmanager
def ray_session(compute: ComputeParams) -> Iterator[Workplace]:
    """Ray is up, and able to take a group, inside the `with` block.

    Raises:
        ClusterError: it cannot be started or joined, no node is large enough, or a node lacks the project.
    """
    workplace, address = Workplace.here(), os.environ.get("RAY_ADDRESS")
    demand = Demand.of(compute)
    with _joined(address) if address else local_ray(compute):
        if not width(demand):
            raise ClusterError(refusal(demand))
        if address:
            _check_nodes(demand, workplace)
        yield workplace


@contextmanager
def _joined(address: str) -> Iterator[None]:
    found = host_and_port(address)
    if found is not None and not answers(*found):
        raise ClusterError(f"nobody answers at RAY_ADDRESS={address}: start Ray there, or unset it")
    try:
        init_ray(address=address, runtime_env={"env_vars": {"PYTHONPATH": str(_CODE)}})
    except (ConnectionError, RuntimeError, ValueError, RayError) as error:
        raise ClusterError(
            f"RAY_ADDRESS={address} cannot be joined ({first_line(error)}): "
            "Ray's version, and RAY_AUTH_MODE with its token, must be the cluster's"
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


def _check_nodes(demand: Demand, workplace: Workplace) -> None:
    """Look from every node that could take a group, all at once, whether the project is there."""
    remote = ray.remote(probe)
    probes = {}
    for node in ray.nodes():
        if node["Alive"] and demand.fits(node):
            strategy = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            options = {"scheduling_strategy": strategy, "num_cpus": 0, "max_retries": 0}
            probes[node["NodeManagerHostname"], node["NodeID"]] = remote.options(**options).remote(workplace)
    for (name, _), answer in probes.items():
        try:
            ray.get(answer, timeout=_PROBE_SECONDS)
        except RayTaskError as error:
            raise ClusterError(f"Ray node {name}: {last_line(error.cause)}") from error
        except RayError as error:
            raise ClusterError(f"Ray node {name} does not answer: {first_line(error)}") from error


def width(demand: Demand) -> int:
    """How many groups the cluster can hold now, all nodes that are alive together."""
    return sum(demand.fits(node) for node in ray.nodes() if node["Alive"])


def refusal(demand: Demand) -> str:
    """Why no node can take a group."""
    alive = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    largest = ", ".join(f"{int(has.get('CPU', 0))} CPU and {int(has.get('GPU', 0))} GPU" for has in alive)
    return (
        f"no node of the Ray cluster has {demand}, which a group needs; its nodes have {largest}: "
        "lower compute.threads, set compute.gpus to 0, or add a node"
    )


def host_and_port(address: str) -> tuple[str, int] | None:
    """Of `HOST:PORT` or a URL; None where the address names none."""
    parts = urlsplit(address if "://" in address else f"//{address}")
    try:
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return None
    return (parts.hostname, port) if parts.hostname and port else None


def answers(host: str, port: int) -> bool:
    """Whether a connection can be made within five seconds."""
    try:
        with socket.create_connection((host, port), timeout=_SECONDS):
            return True
    except OSError:
        return False
