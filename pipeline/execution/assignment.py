"""From planned cells to tasks that a worker can take: settings, weights, content key, class name.

A cell whose key is in the store is not a task. The key holds all that moves a number and nothing else.
"""

from collections.abc import Iterable
from typing import Any

from pipeline.clip.spec import TowerSpec
from pipeline.errors import DataError
from pipeline.execution.entries import Resolved
from pipeline.execution.keys import code_digest, tower_digest
from pipeline.execution.tasks import CellTask, GroupTask
from pipeline.execution.weights import LearntWeights, WeightsShelf
from pipeline.files import value_digest
from pipeline.params import Params
from pipeline.plan import Cell, Group
from pipeline.shards import Manifest


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
