"""What groups cost where they run, and how far they are: seconds by phase, memory, images scored.

Phases are named where they happen (`with phase("tower"):`), images counted where they are scored, and both
gathered for the group that runs in this thread, so that the code between knows nothing of it. Torch is asked
on a GPU only: whoever hands groups out needs not load it.
"""

import os
import platform
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

Scored = Callable[[int], None]
"""Is told how many images of a group are scored."""


def unheard(_images: int) -> None:
    """Where nobody asks how far a group is."""


_phases: ContextVar[dict[str, float] | None] = ContextVar("phases", default=None)
_scored: ContextVar[Scored] = ContextVar("scored", default=unheard)

Place = dict[str, str | int]
"""Where a group runs: name of the machine (`node`), number of the process (`pid`)."""


def here() -> Place:
    """This process."""
    return {"node": platform.node(), "pid": os.getpid()}


@dataclass(frozen=True)
class Usage:
    """The cost of one group, or of several.

    Attributes:
        seconds: wall time by phase, summed over groups; `all` is the whole.
        memory: highest resident set of a worker so far, bytes.
        gpu_memory: highest memory of torch on the GPU during a group, bytes; None without a GPU.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    memory: int = 0
    gpu_memory: int | None = None

    def lines(self) -> list[str]:
        """Times, then memory; nothing where no group ran."""
        if not self.seconds:
            return []
        times = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in self.seconds.items())
        gpu = "" if self.gpu_memory is None else f", {_gib(self.gpu_memory)} on the GPU"
        return [f"time in groups: {times}", f"memory of a worker, at most: {_gib(self.memory)}{gpu}"]


def together(usages: Sequence[Usage]) -> Usage:
    """Seconds of all groups by phase, and the highest memory of any."""
    names = dict.fromkeys(name for usage in usages for name in usage.seconds)
    return Usage(
        {name: sum(usage.seconds.get(name, 0.0) for usage in usages) for name in names},
        max((usage.memory for usage in usages), default=0),
        max((usage.gpu_memory for usage in usages if usage.gpu_memory is not None), default=None),
    )


def _gib(size: int) -> str:
    return f"{size / 2**30:.2f} GiB"


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


def scored(images: int) -> None:
    """Say that so many images of the group that is being measured are scored."""
    _scored.get()(images)


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
def measured(device: str, told: Scored) -> Iterator[Meter]:
    """Measure what runs inside, on the torch device `device`; `told` hears of the images."""
    seconds: dict[str, float] = {}
    phases, listener = _phases.set(seconds), _scored.set(told)
    try:
        yield Meter(seconds, device)
    finally:
        _phases.reset(phases)
        _scored.reset(listener)
