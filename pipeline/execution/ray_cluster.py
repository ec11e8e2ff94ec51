"""Which Ray a run uses, and what that Ray can hold: joining or starting it, its nodes, its width.

`RAY_ADDRESS` names a cluster; without it Ray starts on this machine, on loopback, as large as params say. A
request that no node could ever take is refused at once with what is missing, where Ray would wait for ever.
"""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from pipeline.errors import ZsadError
from pipeline.execution.addresses import answers, host_and_port
from pipeline.execution.worker import Workplace, probe
from pipeline.params import ComputeParams

_STORE_BYTES = 75 * 2**20  # only rows of finished cells pass through it; fits a container's small /dev/shm
_PROBE_SECONDS = 120
_CODE = Path(__file__).parents[2]  # what the driver runs; a node may have another version installed


class ClusterError(ZsadError):
    """A Ray cluster that cannot be reached, or cannot run this benchmark."""


def first_line(error: BaseException) -> str:
    """What Ray says before it explains at length."""
    return str(error).strip().partition("\n")[0] or type(error).__name__


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


def _start(compute: ComputeParams) -> None:
    try:
        ray.init(
            address="local",
            num_cpus=compute.workers * compute.threads,
            num_gpus=compute.gpus,
            include_dashboard=False,
            object_store_memory=_STORE_BYTES,
            logging_level="ERROR",
            _node_ip_address="127.0.0.1",
        )
    except Exception as error:  # Ray raises plain ones, too
        raise ClusterError(
            f"Ray does not start on this machine ({first_line(error)}): look at its free memory, or set "
            "compute.backend to serial"
        ) from error


def _join(address: str) -> None:
    found = host_and_port(address)
    if found is not None and not answers(*found):
        raise ClusterError(f"nobody answers at RAY_ADDRESS={address}: start Ray there, or unset it")
    try:
        ray.init(
            address=address,
            logging_level="ERROR",
            runtime_env={"env_vars": {"PYTHONPATH": str(_CODE)}},
        )
    except (ConnectionError, RuntimeError, ValueError, RayError) as error:
        raise ClusterError(
            f"RAY_ADDRESS={address} cannot be joined ({first_line(error)}): "
            "Ray's version, and RAY_AUTH_MODE with its token, must be the cluster's"
        ) from error


@contextmanager
def ray_session(compute: ComputeParams) -> Iterator[Workplace]:
    """Ray is up, and able to take a group, inside the `with` block.

    Raises:
        ClusterError: it cannot be started or joined, no node is large enough, or a node lacks the project.
    """
    workplace, address = Workplace.here(), os.environ.get("RAY_ADDRESS")
    demand = Demand.of(compute)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        if address:
            _join(address)
        else:
            _start(compute)
    try:
        if not width(demand):
            raise ClusterError(refusal(demand))
        if address:
            _check_nodes(demand, workplace)
        yield workplace
    finally:
        ray.shutdown()
