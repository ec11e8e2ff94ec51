"""What travels to a worker: one group of cells with all that it takes to evaluate them, as plain values."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.clip.spec import TowerSpec
from pipeline.execution.usage import Usage
from pipeline.plan import Cell
from pipeline.redaction import redacted
from pipeline.results import CellResult, CellRow


@dataclass(frozen=True)
class CellTask:
    """One cell: which settings, which learnt weights, and the digests that its row carries."""

    cell: Cell
    key: str
    settings: dict[str, Any]
    weights: Path | None
    weights_digest: str
    params_digest: str
    code_digest: str


@dataclass(frozen=True)
class GroupTask:
    """The cells of one group, with `images` images.

    `shards` is the prepared data set's folder, `build` its fingerprint.
    """

    profile: str
    tower: TowerSpec
    dataset: str
    subset: str
    images: int
    class_name: str
    build: str | None
    shards: Path
    device: str
    threads: int
    batch: int
    cells: tuple[CellTask, ...]

    @property
    def label(self) -> str:
        """How messages name it: `mvtec/bottle`."""
        return f"{self.dataset}/{self.subset}"


@dataclass(frozen=True)
class GroupReport:
    """What a worker hands back: one result a cell, in the order of the task, and what they cost."""

    results: tuple[CellResult, ...]
    usage: Usage


def row_identity(task: GroupTask, cell_task: CellTask) -> dict[str, Any]:
    """The columns of a cell's row that are known before it runs (see `pipeline.results.CellRow`)."""
    cell = cell_task.cell
    return {
        "profile": task.profile,
        "dataset": cell.dataset,
        "subset": cell.subset,
        "method": cell.entry.method,
        "variant": cell.entry.variant,
        "seed": cell.seed,
        "auxiliary": cell.auxiliary,
        "image_size": task.tower.image_size,
        "build": task.build,
        "weights": cell_task.weights_digest,
        "params": cell_task.params_digest,
        "code": cell_task.code_digest,
        "cell_key": cell_task.key,
    }


def failed_result(task: GroupTask, cell_task: CellTask, reason: str) -> CellResult:
    """The row of a cell of `task` that got no numbers; a method may have put anything into its error."""
    return CellResult(CellRow(status="failed", error=redacted(reason), **row_identity(task, cell_task)), None)
