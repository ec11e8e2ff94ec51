"""Which Ray a run uses, and what that Ray can hold: joining or starting it, its nodes, its width.

`RAY_ADDRESS` names a cluster. A request that no node could ever take is refused at once with what is missing,
and an address where nobody is, too: Ray would wait for minutes or for ever. Without it the run starts a Ray
of its own, on this machine, for this user alone. Whoever reaches a Ray's ports runs code as its owner, so
that one asks for a token (see `pipeline.execution`), and all else that it opens lies in a folder that is ours
alone. Ray opens up the folder that it is given to everybody (ray-project/ray#3591), so it gets one inside a
closed one. Names of sockets are short (107 bytes, of which Ray takes 65).
"""

import os
import socket
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import ray
from ray.exceptions import RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from pipeline.errors import ZsadError, as_message
from pipeline.execution.worker import Workplace, probe
from pipeline.files import scratch_folder
from pipeline.params import ComputeParams
from pipeline.process import tasks

_ANSWER_SECONDS = 5.0
_PORTS = {"http": 80, "https": 443}
_PROBE_SECONDS = 120
_CODE = Path(__file__).parents[2]  # what the driver runs; a node may have another version installed
_STORE_BYTES = 75 * 2**20  # only rows of finished cells pass through it; fits a container's small /dev/shm
_LONGEST = 107 - 65  # bytes of a folder's name
_ELSEWHERE = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108 - a folder of our own is made there
_TRIES = 3
_PAUSE_SECONDS = 5.0
_FEWEST_TASKS = 100  # Ray 2.60 with one worker has 174; without room it waits for minutes and says nothing


class ClusterError(ZsadError):
    """A Ray that cannot be started or reached, or cannot run this benchmark."""


def first_line(error: BaseException) -> str:
    """What Ray says before it explains at length."""
    return str(error).strip().partition("\n")[0] or type(error).__name__


def last_line(error: BaseException) -> str:
    """What an error on a worker says below its traceback."""
    return str(error).strip().rpartition("\n")[2] or type(error).__name__


def init_ray(**options: Any) -> None:
    """Start or join Ray, without its remarks."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        ray.init(logging_level="ERROR", **options)


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


@contextmanager
def local_ray(compute: ComputeParams) -> Iterator[None]:
    """Ray is up on this machine, as large as params say, inside the `with` block.

    Raises:
        ClusterError: it does not start, several times in a row, or cannot.
    """
    if (allowed := tasks()) < _FEWEST_TASKS:
        raise ClusterError(
            f"no more than {allowed:g} processes and threads are allowed here, and Ray has more: "
            "allow more (`ulimit -u`, pids.max of the container), or set compute.backend to serial"
        )
    with _session_folder() as folder:
        _start(compute, folder)
        try:
            yield
        finally:
            ray.shutdown()


def _start(compute: ComputeParams, folder: Path) -> None:
    for left in reversed(range(_TRIES)):
        try:
            init_ray(
                address="local",
                num_cpus=compute.workers * compute.threads,
                num_gpus=compute.gpus,
                include_dashboard=False,
                object_store_memory=_STORE_BYTES,
                _node_ip_address="127.0.0.1",
                _temp_dir=str(folder),
            )
        except Exception as error:  # Ray raises plain ones, too
            ray.shutdown()  # what of it has started
            reason = (as_message(error) if isinstance(error, OSError) else None) or first_line(error)
            if not left:
                raise ClusterError(
                    f"Ray does not start on this machine ({reason}; tried {_TRIES} times): wait until it is "
                    "less busy, look at its free memory and the room in /dev/shm, or set compute.backend to "
                    "serial"
                ) from error
            sys.stderr.write(f"Ray does not start ({reason}); trying again\n")
            time.sleep(_PAUSE_SECONDS)
        else:
            return


@contextmanager
def _session_folder() -> Iterator[Path]:
    """A folder for Ray's session that nobody else can enter; gone at the end."""
    with scratch_folder(_place(), "zsad-") as closed:
        yield closed / "r"


def _place() -> Path:
    """The first folder for temporary files with a short name in which one can write."""
    added = len("/zsad-12345678/r")
    places = (tempfile.gettempdir(), *_ELSEWHERE)
    for place in places:
        if len(os.fsencode(place)) + added <= _LONGEST and os.access(place, os.W_OK | os.X_OK):
            return Path(place)
    raise ClusterError(
        f"no folder for Ray's sockets: of {', '.join(places)} none can be written and has a name of at most "
        f"{_LONGEST - added} bytes; set TMPDIR to such a folder, or compute.backend to serial"
    )
