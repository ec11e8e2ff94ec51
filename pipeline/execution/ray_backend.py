"""Groups as Ray tasks, on this machine or on the cluster that `RAY_ADDRESS` names.

Ray re-runs a group whose worker or node died; `retries` says how often. Workers keep their tower between
groups. `ray.wait` with a short time limit lets a cancelled run end at once.
"""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event

import ray
from ray.exceptions import RayError

from pipeline.errors import ZsadError
from pipeline.execution.backends import StoppedError
from pipeline.execution.tasks import GroupTask
from pipeline.params import ComputeParams
from pipeline.results import CellResult

_POLL_SECONDS = 0.5
_STORE_BYTES = 75 * 2**20  # only rows of finished cells pass through it; fits a container's small /dev/shm


def _evaluate(task: GroupTask) -> tuple[CellResult, ...]:
    from pipeline.execution.scoring import evaluate_group

    return evaluate_group(task)


class WorkerLostError(ZsadError):
    """The workers of a group kept dying."""


class RayBackend:
    """See `pipeline.execution.backends.Backend`."""

    def __init__(self, compute: ComputeParams) -> None:
        self._stopped = Event()
        self._retries = compute.retries
        self._remote = ray.remote(_evaluate)
        self._placement = {
            "num_cpus": compute.threads,
            "num_gpus": 1 if compute.gpus else 0,
            "max_retries": compute.retries,
        }

    def run(self, task: GroupTask) -> tuple[CellResult, ...]:
        """See `Backend.run`.

        Raises:
            WorkerLostError: the worker died more often than `compute.retries` allows.
            StoppedError: the run was cancelled.
        """
        reference = self._remote.options(name=task.label, **self._placement).remote(task)
        while not ray.wait([reference], timeout=_POLL_SECONDS)[0]:
            if self._stopped.is_set():
                ray.cancel(reference, force=True)
                raise StoppedError
        try:
            results: tuple[CellResult, ...] = ray.get(reference)
        except RayError as error:
            first_line = str(error).strip().splitlines()[0]
            message = f"{task.label}: lost its worker {self._retries + 1} times ({first_line})"
            raise WorkerLostError(message) from error
        return results

    def stop(self) -> None:
        """See `Backend.stop`."""
        self._stopped.set()


@contextmanager
def ray_backend(compute: ComputeParams) -> Iterator[RayBackend]:
    """Join the cluster of `RAY_ADDRESS`, or start Ray on loopback; leave or stop it at the end."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        if os.environ.get("RAY_ADDRESS"):
            ray.init(logging_level="ERROR")
        else:
            ray.init(
                address="local",
                num_cpus=compute.workers * compute.threads,
                num_gpus=compute.gpus,
                include_dashboard=False,
                object_store_memory=_STORE_BYTES,
                logging_level="ERROR",
                _node_ip_address="127.0.0.1",
            )
    try:
        yield RayBackend(compute)
    finally:
        ray.shutdown()
