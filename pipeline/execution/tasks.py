"""What travels to a worker: one group of cells with all that it takes to evaluate them, as plain values.

Content keys: what a cell's numbers depend on, as one digest.

Method code, settings, tower, learnt weights, prepared images, seed. Where and how fast it runs is left out.
The code part is a digest of the source files between an image and its metrics and examples, so nobody has to
remember to raise a version.


From planned cells to tasks that a worker can take: settings, weights, content key, class name.

A cell whose key is in the store is not a task. The key holds all that moves a number and nothing else.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pipeline
from pipeline.clip.spec import TowerSpec
from pipeline.errors import DataError
from pipeline.execution.systems import Resolved
from pipeline.execution.usage import Usage
from pipeline.execution.weights import LearntWeights, WeightsShelf
from pipeline.files import file_digest, value_digest
from pipeline.methods import source_files
from pipeline.params import Params
from pipeline.plan import Cell, Group
from pipeline.redaction import redacted
from pipeline.results import CellResult, CellRow
from pipeline.shards import Manifest


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


_ROOT = Path(pipeline.__file__).parent
_SHARED_SOURCES = (
    "clip",
    "metrics",
    "shards/reader.py",
    "execution/scoring.py",
    "execution/examples.py",
    "results/examples.py",
    "training/checkpoint.py",
    "yaml_files.py",
)


def _python_files(part: str) -> list[Path]:
    path = _ROOT / part
    return sorted(path.rglob("*.py")) if path.is_dir() else [path]


@cache
def code_digest(method: str) -> str:
    """Digest of the source that turns an image into metrics and examples of `method`, prompts included."""
    files = [file for part in _SHARED_SOURCES for file in _python_files(part)] + list(source_files(method))
    # A plug-in's files lie elsewhere; where they lie must not matter.
    named = [
        [file.relative_to(_ROOT).as_posix() if file.is_relative_to(_ROOT) else file.name, file_digest(file)]
        for file in files
    ]
    return value_digest(sorted(named))


@cache
def tower_digest(model: str, weights: str) -> str:
    """Digest of a tower's model and weights: of the content where they are files, else of the names."""
    return value_digest(
        [file_digest(Path(part)) if Path(part).is_file() else part for part in (model, weights)]
    )


def tower_spec(params: Params, tower: str) -> TowerSpec:
    """The tower that params describe under `towers.<tower>`."""
    return TowerSpec(name=tower, **params.towers[tower].model_dump())


class Assignment:
    """Makes the tasks of one run."""

    def __init__(self, params: Params, resolved: Iterable[Resolved], manifests: dict[str, Manifest]) -> None:
        self._params = params
        self._settings = {item.entry: item.settings for item in resolved}
        self._manifests = manifests
        self._shelf = WeightsShelf(params.weights)

    def _weights_digest(self, cell: Cell, weights: LearntWeights | None) -> str:
        """Of the tower's weights, and of the learnt ones where there are some."""
        tower = self._params.towers[cell.entry.tower]
        return value_digest([tower_digest(tower.model, tower.weights), weights.digest if weights else None])

    def _moves_numbers(self, cell: Cell, weights: LearntWeights | None) -> dict[str, Any]:
        tower = self._params.towers[cell.entry.tower]
        subset = self._manifests[cell.dataset].subset(cell.subset)
        if tower.image_size not in subset.digests:
            raise DataError(
                f"{cell.dataset}/{cell.subset} is not prepared at {tower.image_size} pixels: "
                f"run `dvc repro prepare@{cell.dataset}`"
            )
        return {
            "profile": self._params.profile,
            "cell": [
                cell.entry.method,
                cell.entry.variant,
                cell.dataset,
                cell.subset,
                cell.seed,
                cell.auxiliary,
            ],
            "settings": self._settings[cell.entry],
            "tower": tower.model_dump(),
            "weights": self._weights_digest(cell, weights),
            "images": subset.digests[tower.image_size],
            "class_name": subset.class_name,
            "code": code_digest(cell.entry.method),
        }

    def cell_task(self, cell: Cell) -> CellTask:
        """The task of one cell.

        Raises:
            ZsadError: its learnt weights are not there, or its subset is not prepared at the tower's size.
        """
        weights = self._shelf.find(cell)
        tower = self._params.towers[cell.entry.tower]
        settings = self._settings[cell.entry]
        return CellTask(
            cell=cell,
            key=value_digest(self._moves_numbers(cell, weights)),
            settings=settings,
            weights=weights.path if weights else None,
            weights_digest=self._weights_digest(cell, weights),
            params_digest=value_digest([settings, tower.model_dump()]),
            code_digest=code_digest(cell.entry.method),
        )

    def group_task(self, group: Group, cells: tuple[CellTask, ...]) -> GroupTask:
        """The task of the `cells` of a group that are to be run."""
        params, subset = self._params, self._manifests[group.dataset].subset(group.subset)
        return GroupTask(
            profile=params.profile,
            tower=tower_spec(params, group.tower),
            dataset=group.dataset,
            subset=group.subset,
            images=group.images,
            class_name=subset.class_name,
            build=subset.build,
            shards=params.shards / group.dataset,
            device=params.compute.device,
            threads=params.compute.threads,
            batch=params.compute.batch,
            cells=cells,
        )
