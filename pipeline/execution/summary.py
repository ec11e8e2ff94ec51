"""How a run ended, for people and for the exit code."""

from dataclasses import dataclass


def _cells(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{len(names)} cells, first {names[0]}"


@dataclass(frozen=True)
class Summary:
    """Cells by what became of them, and each reason of failure with the cells that it cost."""

    run: int
    reused: int
    failures: dict[str, list[str]]

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
        """One line a reason of failure, then the counts."""
        reasons = [f"failed: {reason} ({_cells(names)})" for reason, names in self.failures.items()]
        return [*reasons, "cells: " + ", ".join(f"{count} {kind}" for kind, count in self.counts().items())]
