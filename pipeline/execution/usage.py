"""What a group cost where it ran: seconds by phase, memory high-water marks, node and process.

Phases are named where they happen (`with phase("tower"):`) and gathered for the group that runs in this
thread, so that the code between them knows nothing of it. Torch is asked on a GPU only: whoever hands groups
out needs not load it.
"""

import os
import platform
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

_phases: ContextVar[dict[str, float] | None] = ContextVar("phases", default=None)


@dataclass(frozen=True)
class Place:
    """Where a group runs: name of the machine, number of the process."""

    node: str
    pid: int

    @classmethod
    def here(cls) -> "Place":
        """This process."""
        return cls(platform.node(), os.getpid())


@dataclass(frozen=True)
class Usage:
    """The cost of one group.

    Attributes:
        place: where it ran.
        seconds: wall time by phase; `all` is the whole.
        memory: highest resident set of the process so far, bytes.
        gpu_memory: highest memory of torch on the GPU during the group, bytes; None without a GPU.
    """

    place: Place
    seconds: dict[str, float]
    memory: int
    gpu_memory: int | None


@contextmanager
def phase(name: str) -> Iterator[None]:
    """Add the time inside to the phase `name` of the group that is being measured, if there is one."""
    start = time.monotonic()
    try:
        yield
    finally:
        phases = _phases.get()
        if phases is not None:
            phases[name] = phases.get(name, 0.0) + time.monotonic() - start


class Meter:
    """Measures the group inside `with measured() as meter`; `meter.usage()` is its cost so far."""

    def __init__(self, seconds: dict[str, float], device: str) -> None:
        self._seconds, self._device = seconds, device
        self._start = time.monotonic()
        if device == "cuda":
            import torch

            torch.cuda.reset_peak_memory_stats()

    def usage(self) -> Usage:
        """Seconds and high-water marks up to now."""
        return Usage(
            place=Place.here(),
            seconds={**self._seconds, "all": time.monotonic() - self._start},
            memory=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            gpu_memory=self._gpu_memory(),
        )

    def _gpu_memory(self) -> int | None:
        if self._device != "cuda":
            return None
        import torch

        return torch.cuda.max_memory_allocated()


@contextmanager
def measured(device: str) -> Iterator[Meter]:
    """Measure what runs inside, on the torch device `device`."""
    seconds: dict[str, float] = {}
    token = _phases.set(seconds)
    try:
        yield Meter(seconds, device)
    finally:
        _phases.reset(token)
