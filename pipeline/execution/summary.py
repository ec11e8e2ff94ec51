"""How a run ended, for people and for the exit code: cells, failures, what was tried again, cost."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pipeline.execution.usage import Usage


def _cells(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{len(names)} cells, first {names[0]}"


@dataclass(frozen=True)
class Cost:
    """Seconds of all groups together by phase, and the highest memory of any, bytes."""

    seconds: dict[str, float] = field(default_factory=dict)
    memory: int = 0
    gpu_memory: int | None = None

    @classmethod
    def of(cls, usages: Iterable[Usage]) -> "Cost":
        """Together."""
        usages = tuple(usages)
        names = dict.fromkeys(name for usage in usages for name in usage.seconds)
        gpu = [usage.gpu_memory for usage in usages if usage.gpu_memory is not None]
        return cls(
            {name: sum(usage.seconds.get(name, 0.0) for usage in usages) for name in names},
            max((usage.memory for usage in usages), default=0),
            max(gpu, default=None),
        )

    def named(self) -> dict[str, float]:
        """The seconds as `groups.<phase>`."""
        return {f"groups.{name}": seconds for name, seconds in self.seconds.items()}

    def lines(self) -> list[str]:
        """Times, then memory; nothing where no group ran."""
        if not self.seconds:
            return []
        times = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in self.seconds.items())
        gpu = "" if self.gpu_memory is None else f", {_gib(self.gpu_memory)} on the GPU"
        return [f"time in groups: {times}", f"memory of a worker, at most: {_gib(self.memory)}{gpu}"]


def _gib(size: int) -> str:
    return f"{size / 2**30:.2f} GiB"


@dataclass(frozen=True)
class Summary:
    """Cells by what became of them, and each reason of failure with the cells that it cost.

    `notes` says what was tried again and what could not be kept.
    """

    run: int
    reused: int
    failures: Mapping[str, list[str]]
    notes: tuple[str, ...] = ()
    cost: Cost = field(default_factory=Cost)

    @property
    def failed(self) -> int:
        """Cells without numbers."""
        return sum(len(cells) for cells in self.failures.values())

    @property
    def complete(self) -> bool:
        """Whether every cell that params ask for has its numbers."""
        return not self.failures

    def counts(self) -> dict[str, int]:
        """Cells run, reused and failed."""
        return {"run": self.run, "reused": self.reused, "failed": self.failed}

    def lines(self) -> list[str]:
        """One line a reason of failure and a note, then cost, then the counts and whether that is all."""
        reasons = [f"failed: {reason} ({_cells(names)})" for reason, names in self.failures.items()]
        counts = ", ".join(f"{count} {kind}" for kind, count in self.counts().items())
        end = "complete" if self.complete else "incomplete"
        return [*reasons, *self.notes, *self.cost.lines(), f"cells: {counts}: {end}"]
