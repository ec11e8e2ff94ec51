"""What happens to a group that goes wrong: the one place that decides.

- An application error is not tried again. It is a row that says why, made where it happened.
- A lost worker or node: the group is tried again on another, `compute.retries` times. A process whose GPU
  answers no more counts as lost: whatever it tries next fails, too.
- Out of memory: the group is tried again with half the batch, down to a batch of one. There it is an
  application error like any other.
- Longer than `compute.time_limit`, or no node left that could take it: rows that say so.
"""

import errno
import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from pipeline.errors import ZsadError
from pipeline.execution.tasks import GroupTask, Report
from pipeline.execution.usage import Place

Record = Callable[..., None]
"""Writes down an event: `record("worker_lost", group="mvtec/bottle", attempt=1)`."""

Once = Callable[[GroupTask, Callable[[Place], None]], Report]
"""Runs a group once (see `pipeline.execution.backends.Backend.run`)."""


class LostWorkerError(ZsadError):
    """The process or the node that a group ran on is gone, or its GPU is."""


class OutOfMemoryError(ZsadError):
    """A group needs more memory than there is, with the batch that it had."""


class TimeLimitError(ZsadError):
    """A group ran longer than `compute.time_limit`."""


class GroupFailedError(ZsadError):
    """A group gets no numbers; the message is what its rows say."""


class StoppedError(RuntimeError):
    """A group was not run because the run was cancelled."""

    def __init__(self) -> None:
        super().__init__("the run was cancelled")


_SHORT = re.compile(
    r"out of memory|can't allocate memory|ALLOC(ATION)?_FAILED|CUBLAS_STATUS_NOT_INITIALIZED.*cublasCreate"
)
"""How CUDA (pinned memory too), cuBLAS, cuDNN and torch's CPU allocator say that memory was short.

cuBLAS calls a handle for which there is no memory not initialised.
"""


def out_of_memory(error: BaseException) -> bool:
    """Whether `error` says that memory was short, on the GPU, in torch's CPU allocator or in Python."""
    import torch  # late: whoever hands groups out needs not load it

    if isinstance(error, torch.OutOfMemoryError | MemoryError | OutOfMemoryError):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, RuntimeError) and bool(_SHORT.search(str(error)))


def device_is_lost(device: str) -> bool:
    """Whether this process can use its torch device no more.

    An error such as an illegal access or one of memory that ECC cannot correct stays in the process: CUDA
    returns it from every later call, the one made here among them.
    """
    import torch  # late, as above

    if device != "cuda" or not torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        return False
    try:
        torch.cuda.synchronize()
    except RuntimeError as error:
        return not out_of_memory(error)
    return False


def attempt(task: GroupTask, once: Once, *, retries: int, record: Record) -> Report:
    """Try `task` until it has a report or may not be tried again.

    Args:
        task: the group.
        once: raises `LostWorkerError` or `OutOfMemoryError` where another try may help.
        retries: how often a group whose worker died is tried again.
        record: is told of every try, loss and halving.

    Raises:
        GroupFailedError: no try succeeded.
        ZsadError: whatever else `once` raises; not tried again.
    """
    lost = 0
    while True:
        note = _noting(record, task, lost)
        try:
            return once(task, partial(note, "group_started"))
        except LostWorkerError as error:
            lost += 1
            note("worker_lost", reason=str(error), retried=lost <= retries)
            if lost > retries:
                raise GroupFailedError(f"{task.label}: lost its worker {lost} times ({error})") from error
        except OutOfMemoryError as error:
            if task.batch == 1:
                raise GroupFailedError(
                    f"{task.label}: out of memory with a batch of one ({error})"
                ) from error
            task = replace(task, batch=task.batch // 2, fitted_to=task.fitted_to and task.fitted_to / 2)
            most = f"at most {task.batch}" if task.fitted_to else task.batch
            note("batch_halved", reason=str(error), to=most)


def _noting(record: Record, task: GroupTask, lost: int) -> Record:
    def note(event: str, place: Place | None = None, **facts: Any) -> None:
        record(
            event,
            place=place,
            group=task.label,
            tower=task.tower.name,
            batch=task.batch,
            attempt=lost + 1,
            **facts,
        )

    return note
