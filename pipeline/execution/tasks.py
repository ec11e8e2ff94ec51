"""What travels to a worker: a group of cells, or a range of its images, with all that it takes to score them.

A cell whose content key is in the store is no task. The key holds all that moves a number and nothing else:
settings, tower, learnt weights, prepared images, seed, and a digest of the source files between an image and
its metrics and examples, so that nobody has to remember to raise a version. Where and how fast a cell runs is
left out.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pipeline
from pipeline import catalog
from pipeline.clip.spec import TowerSpec
from pipeline.errors import DataError, printable, redacted
from pipeline.execution.store import PARTS, PartStore
from pipeline.execution.systems import WeightsShelf
from pipeline.execution.usage import Usage
from pipeline.files import file_digest, value_digest
from pipeline.methods import source_files
from pipeline.params import Params
from pipeline.plan import Cell, Group, kind_of
from pipeline.results import FEW_SHOT, CellResult, CellRow
from pipeline.shards import Manifest, Reference, subset_stamp

_ROOT = Path(pipeline.__file__).parent
_SHARED_SOURCES = (
    "clip",
    "metrics",
    "shards/reader.py",
    "execution/scoring.py",
    "execution/parts.py",
    "execution/batches.py",
    "execution/counts.py",
    "execution/device_masks.py",
    "execution/examples.py",
    "results/examples.py",
    "training/checkpoint.py",
    "settings.py",
)


@dataclass(frozen=True)
class CellTask:
    """One cell with the file of its learnt weights, None where it learns nothing.

    `columns` are those of its row that are known before it runs (see `pipeline.results.CellRow`).
    """

    cell: Cell
    weights: Path | None
    columns: dict[str, Any]

    @property
    def content_key(self) -> str:
        """Under which its result is kept."""
        key: str = self.columns["cell_key"]
        return key


@dataclass(frozen=True)
class GroupTask:
    """Cells that one pass of a subset's images serves.

    Attributes:
        images: how many they are, those that are `kept` included.
        shards: folder of the prepared data set.
        batch: images that go through the tower at once, at most.
        fitted_to: share of a GPU that as many of them are to fit into.
        parts: folder of parts (see `pipeline.execution.store.PartStore`), named by the `subset_stamp`.
        rows: the images to be scored and kept as parts; None: all of them, and the cells are finished.
        kept: ranges of images of which every cell has a part.
    """

    tower: TowerSpec
    dataset: str
    subset: str
    images: int
    masks: bool
    class_name: str
    shards: Path
    device: str
    threads: int
    batch: int
    cells: tuple[CellTask, ...]
    fitted_to: float | None = None
    parts: Path = Path()
    rows: range | None = None
    kept: tuple[range, ...] = ()

    @property
    def track(self) -> str:
        """Of all its cells."""
        return self.cells[0].cell.resolved.track if self.cells else "main"

    @property
    def kind(self) -> str:
        """See `pipeline.plan.Group.kind`."""
        return kind_of(self.tower.name, self.track)

    @property
    def label(self) -> str:
        """How messages name it: `mvtec/bottle`, `visa/pcb1, images 1 to 64`, `btad/01 (batch track)`."""
        group = f"{self.dataset}/{self.subset}"
        if self.rows is not None:
            group += f", images {self.rows.start + 1} to {self.rows.stop}"
        return group if self.track == "main" else f"{group} ({self.track} track)"

    @property
    def images_to_score(self) -> int:
        """Images without parts."""
        return self.images - sum(len(rows) for rows in self.kept)

    @property
    def place(self) -> tuple[str, ...]:
        """What a group and its ranges have in common: kind, data set, subset."""
        return self.kind, self.dataset, self.subset

    @property
    def keys(self) -> list[str]:
        """Content keys of its cells."""
        return [cell.content_key for cell in self.cells]


class NoReferencesError(DataError):
    """A subset has fewer reference images than a cell of the few-shot track sees."""


Report = tuple[tuple[CellResult, ...], Usage]
"""What a worker hands back: results in the order of the task's cells, and what they cost.

One per cell; of a range of images only those of cells that failed.
"""


def known_columns(params: Params, cell: Cell) -> dict[str, Any]:
    """The columns of a row that are known of any cell, even of one that cannot run."""
    tower = params.towers.get(cell.resolved.tower)
    return {
        "profile": params.profile,
        **cell.key._asdict(),
        "title": cell.resolved.title,
        "auxiliary": cell.auxiliary,
        **_rule(params, cell),
        "image_size": tower.image_size if tower else None,
    }


def _rule(params: Params, cell: Cell) -> dict[str, str]:
    """The columns about the rule: a training takes its last epoch, and nothing here looks at a target."""
    resolved, dataset = cell.resolved, cell.key.dataset
    usual = catalog.record(dataset).build().name if params.counts is None else params.profile
    return {
        "track": resolved.track,
        "protocol": (resolved.protocol or params.protocols[0]) if resolved.learnt else "none",
        "build_name": params.builds.get(dataset, usual),
        "epochs_rule": "last" if resolved.learnt else "none",
        "chosen_on_target": "no",
        "shown_by": "pipeline/training/fit.py" if resolved.learnt else "docs/protocol.md",
    }


def failed_result(columns: Mapping[str, Any], reason: str) -> CellResult:
    """The row of a cell that got no numbers; a method may have put anything into its error."""
    return CellResult(CellRow(status="failed", error=printable(redacted(reason)), **columns), None)


def tower_spec(params: Params, tower: str) -> TowerSpec:
    """The tower that params describe under `towers.<tower>`."""
    return TowerSpec(name=tower, **params.towers[tower].model_dump())


class TaskBuilder:
    """From planned cells to tasks, for one run.

    Args:
        params: of the run.
        manifests: of every data set that is prepared.
    """

    def __init__(self, params: Params, manifests: Mapping[str, Manifest]) -> None:
        self._params, self._manifests = params, manifests
        self._shelf = WeightsShelf(params.weights)
        self._tower_digest = cache(tower_digest)

    def group_task(self, group: Group, cells: tuple[CellTask, ...]) -> GroupTask:
        """The task of the `cells` of a group that are to be run."""
        params, subset = self._params, self._manifests[group.dataset].subset(group.subset)
        tower, shards = tower_spec(params, group.tower), params.shards / group.dataset
        parts = PARTS / params.profile / subset_stamp(shards, group.subset, tower.image_size)
        return GroupTask(
            tower=tower,
            dataset=group.dataset,
            subset=group.subset,
            images=group.images,
            masks=subset.masks,
            class_name=subset.class_name,
            shards=shards,
            device=params.compute.device,
            threads=params.compute.threads,
            batch=params.compute.most_images,
            cells=cells,
            fitted_to=params.compute.fitted_to,
            parts=parts,
            kept=PartStore(parts).ranges([cell.content_key for cell in cells], group.images),
        )

    def cell_task(self, cell: Cell) -> CellTask:
        """The task of one cell.

        Raises:
            ZsadError: its learnt weights are not there, or its subset is not prepared at the tower's size.
            NoReferencesError: see `_references`.
        """
        references = self._references(cell)
        weights, learnt_digest = self._shelf.find(cell)
        manifest = self._manifests[cell.key.dataset]
        subset = manifest.subset(cell.key.subset)
        tower, settings = self._params.towers[cell.resolved.tower], cell.resolved.settings
        moves_numbers: dict[str, Any] = {
            "profile": self._params.profile,
            "cell": [*cell.key, cell.auxiliary],
            "settings": settings,
            "tower": tower.model_dump(),
            "weights": weights_digest(self._tower_digest(tower.model, tower.weights), learnt_digest),
            "images": self._images_digest(cell, tower.image_size),
            "class_name": subset.class_name,
            "code": code_digest(cell.key.method),
        }
        if references:
            moves_numbers["references"] = [it.digests[tower.image_size] for it in references]
        if manifest.limit is not None:
            moves_numbers["limit"] = manifest.limit
        columns = {
            **known_columns(self._params, cell),
            "limit": manifest.limit,
            "references": json.dumps([it.image for it in references]) if references else None,
            "build": subset.build,
            "weights": moves_numbers["weights"],
            "params": params_digest(settings, tower.model_dump()),
            "code": moves_numbers["code"],
            "cell_key": value_digest(moves_numbers),
        }
        return CellTask(cell, weights, columns)

    def _references(self, cell: Cell) -> tuple[Reference, ...]:
        """The reference images that a cell sees; none but in the few-shot track.

        Raises:
            DataError: they could not be prepared.
            NoReferencesError: there are too few.
        """
        if cell.resolved.track != FEW_SHOT:
            return ()
        shots = cell.resolved.settings["shots"]
        entry = self._manifests[cell.key.dataset].subset(cell.key.subset)
        if entry.references_error is not None:
            raise DataError(entry.references_error)
        if len(entry.references) < shots:
            raise NoReferencesError(
                f"{shots} normal training images are seen, {len(entry.references)} are prepared; where the "
                f"publisher has more, put them there and run `dvc repro prepare@{cell.key.dataset}`"
            )
        return entry.references[:shots]

    def _images_digest(self, cell: Cell, size: int) -> str:
        dataset, name = cell.key.dataset, cell.key.subset
        digests = self._manifests[dataset].subset(name).digests
        if size not in digests:
            raise DataError(
                f"{dataset}/{name} is not prepared at {size} pixels: run `dvc repro prepare@{dataset}`"
            )
        return digests[size]


def tower_digest(model: str, weights: str) -> str:
    """Digest of a tower's model and weights: of the content where they are files, else of the names."""
    return value_digest(
        [file_digest(Path(part)) if Path(part).is_file() else part for part in (model, weights)]
    )


def weights_digest(tower: str, learnt: str | None) -> str:
    """Column `weights` of a row: of the `tower_digest`, and of the learnt weights, None for none."""
    return value_digest([tower, learnt])


def params_digest(settings: Mapping[str, Any], tower: Mapping[str, Any]) -> str:
    """Column `params` of a row: of all settings of the method, and of the tower as params have it."""
    return value_digest([settings, tower])


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


def _python_files(part: str) -> list[Path]:
    path = _ROOT / part
    return sorted(path.rglob("*.py")) if path.is_dir() else [path]
