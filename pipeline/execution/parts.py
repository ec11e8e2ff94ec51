"""A cell on its way: what it has of the images so far, from which a part is kept or its result is made.

A part holds what a cell has of a range of images: image scores, pixels as a `PixelState`, and the maps that
may become examples. Parts are added in the order of the shard, so scores stand in that order; counts are sums
of integers, examples are ranked again, and intervals are drawn at the end alone. So a result does not depend
on how the images were divided, to the bit, as long as their batches are the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.errors import ZsadError
from pipeline.execution.counts import DevicePixels, gathered, pixel_state
from pipeline.execution.device_masks import Masks
from pipeline.execution.examples import ExampleSelection, small_maps
from pipeline.execution.tasks import CellTask
from pipeline.methods.base import Scores
from pipeline.metrics import Interval, PixelState, image_intervals, image_metrics, pixel_intervals
from pipeline.results import CellResult, CellRow, CellScores, spread_columns
from pipeline.shards import SubsetShard

_WAITING = 64  # batches of image scores and small maps that stay on the device, 16 kB an image

Arrays = dict[str, NDArray[Any]]


@dataclass
class CellRun:
    """What a cell has so far.

    Attributes:
        task: the cell.
        shard: its subset.
        row: of the next image.
        pixels: of the maps so far.
    """

    task: CellTask
    shard: SubsetShard
    row: int = 0
    pixels: PixelState | DevicePixels = field(default_factory=PixelState)
    _image_scores: list[NDArray[np.float32]] = field(default_factory=list)
    _waiting: list[Scores] = field(default_factory=list)  # with small maps, on the device

    def __post_init__(self) -> None:
        self._examples = ExampleSelection(self.shard.labels, self.shard.paths)

    def count_on(self, device: torch.device, cells: int) -> None:
        """Count pixels on `device` from now on, where `cells` share its memory."""
        pixels = pixel_state(device, cells)
        pixels.merge(gathered(self.pixels))
        self.pixels = pixels

    def take(self, scores: Scores, masks: Masks | None, names: Sequence[str]) -> None:
        """Take in the scores of the next images."""
        if isinstance(self.pixels, DevicePixels):
            self._waiting.append(Scores(scores.image, small_maps(scores.maps)))
            if len(self._waiting) == _WAITING:
                self._fetch()
        else:
            self._take(scores.image, scores.maps)
        if masks is not None:
            self.pixels.update(scores.maps, masks, names)

    def _fetch(self) -> None:
        """Take what waits on the device at once: a copy from there waits for all work before it."""
        if self._waiting:
            image, maps = zip(*((it.image, it.maps) for it in self._waiting), strict=True)
            self._take(torch.cat(image), torch.cat(maps))
            self._waiting.clear()

    def _take(self, image: Tensor, maps: Tensor) -> None:
        scores = image.cpu().numpy()
        self._examples.update(self.row, scores, maps)
        self._image_scores.append(scores)
        self.row += len(scores)

    def part(self) -> Arrays:
        """All of it as plain arrays."""
        self._fetch()
        places, maps = self._examples.kept
        part: Arrays = {"scores": np.concatenate(self._image_scores), "places": places, "maps": maps}
        return part | (gathered(self.pixels).arrays() if self.shard.packed is not None else {})

    def add(self, part: Mapping[str, NDArray[Any]], rows: range) -> None:
        """Add the `part` of the next images, `rows`.

        Raises:
            ZsadError: it is none.
        """
        self._fetch()
        try:
            scores = part["scores"].reshape(len(rows))
            ranked = {place: float(scores[rows.index(place)]) for place in part["places"].tolist()}
            self._examples.merge(ranked, part["maps"])
            if self.shard.packed is not None:
                state = PixelState.restored(part, self.shard.paths[rows.start : rows.stop])
                self.pixels.merge(state)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            name = self.task.cell.key.name
            raise ZsadError(
                f"{name}: a part of it is damaged ({error}); delete .zsad/parts, run again"
            ) from error
        self._image_scores.append(scores)
        self.row += len(rows)

    def finish(self) -> CellResult:
        """The result, when all images have been taken in."""
        self._fetch()
        labels, scores = self.shard.labels, np.concatenate(self._image_scores)
        values = image_metrics(labels, scores)
        measured: dict[str, Any] = asdict(values)
        intervals = image_intervals(labels, scores, values)
        if self.shard.packed is not None:
            pixels = self.pixels.finish()
            measured |= asdict(pixels)
            intervals |= pixel_intervals(self.pixels.sketches, pixels)
        row = CellRow(
            status="ok",
            n_images=len(labels),
            n_normal=int((labels == 0).sum()),
            n_anomalous=int((labels == 1).sum()),
            **self.task.columns,
            **measured,
            **_interval_columns(intervals),
        )
        image_scores = CellScores(self.shard.paths, labels, scores.astype(np.float64))
        return CellResult(row, image_scores, self._examples.finish())


def _interval_columns(intervals: Mapping[str, Interval]) -> dict[str, Any]:
    return {
        column: value
        for metric, interval in intervals.items()
        for column, value in zip(spread_columns(metric), interval, strict=True)
    }
