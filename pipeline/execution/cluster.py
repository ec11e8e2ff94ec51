"""Which Ray a run uses, and what that Ray can hold: joining or starting it, its nodes, its width.

`RAY_ADDRESS` names a cluster; without it the run starts a Ray of its own (`local_ray`). A request that no
node could ever take is refused at once with what is missing, and an address where nobody is, too: Ray would
wait for minutes or for ever.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import ray
from ray.exceptions import RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from pipeline.execution.local_ray import ClusterError, first_line, init_ray, local_ray
from pipeline.execution.worker import Workplace, probe
from pipeline.params import ComputeParams

_ANSWER_SECONDS = 5.0
_PORTS = {"http": 80, "https": 443}
_PROBE_SECONDS = 120
_CODE = Path(__file__).parents[2]  # what the driver runs; a node may have another version installed


@dataclass(frozen=True)
class Demand:
    """What a worker asks for: `cpus`, and a GPU that `per_gpu` of them share; 0 where there are no GPUs."""

    cpus: int
    per_gpu: int

    @classmethod
    def of(cls, compute: ComputeParams) -> "Demand":
        """As params configure it."""
        return cls(compute.threads, compute.workers_per_gpu if compute.gpus else 0)

    @property
    def gpu_share(self) -> float:
        """Share of a GPU that Ray counts; rounded down to its ten-thousandths, so that all fit."""
        return 10_000 // self.per_gpu / 10_000 if self.per_gpu else 0

    def fits(self, node: dict[str, Any]) -> int:
        """How many workers a node, as `ray.nodes()` lists it, can hold."""
        has = node["Resources"]
        by_cpu = int(has.get("CPU", 0)) // self.cpus
        return min(by_cpu, int(has.get("GPU", 0)) * self.per_gpu) if self.per_gpu else by_cpu

    def __str__(self) -> str:
        share = "1" if self.per_gpu == 1 else f"1/{self.per_gpu}"
        return f"{self.cpus} CPU" + (f" and {share} GPU" if self.per_gpu else "")


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
        with socket.create_connection((host, port), timeout=_ANSWER_SECONDS):
            return True
    except OSError:
        return False


def last_line(error: BaseException) -> str:
    """What an error on a worker says below its traceback."""
    return str(error).strip().rpartition("\n")[2] or type(error).__name__
