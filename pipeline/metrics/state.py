"""The pixel metrics of one subset, gathered batch by batch and worker by worker.

Up to a budget of pixels every score is kept (4 bytes a pixel, 12 more an anomalous one) and all values are
exact. Beyond it the scores are counted in a `CountTable` of at most budget / 4 rows of 24 bytes, and memory
no longer grows, but for some 3 kB of sketch per image; the tests prove how close the values then are.
Which of the two holds depends on the number of pixels alone, both add up integers only, and the table's rows
do not depend on order: any split of the images over states, merged in any order, finishes to the same
values, bit for bit.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.errors import ZsadError
from pipeline.metrics import curves
from pipeline.metrics.arrays import (
    Ints,
    Keys,
    image_name,
    key_scores,
    map_array,
    score_keys,
    threshold_keys,
)
from pipeline.metrics.curves import PixelMetrics
from pipeline.metrics.protocol import protocol_pro, protocol_thresholds
from pipeline.metrics.ranking import Ranking, group_hits
from pipeline.metrics.regions import WEIGHT_BITS, ImageRegions, label_masks, region_weights
from pipeline.metrics.sketch import ImageSketch, sketch_arrays, sketch_image, sketches_of
from pipeline.metrics.table import CountTable

BUDGET = 1 << 22
"""Pixels that are kept exactly: 15 images of 518 x 518, 334 of 112 x 112."""

_PIXELS_PER_ROW = 4


class PixelState:
    """Gathers maps and masks, merges with other states, finishes into `PixelMetrics`. Can be pickled.

    Examples:
        Two images of 2 x 2 pixels, one anomalous pixel that scores highest:

        >>> maps = np.array([[[0.1, 0.2], [0.3, 0.9]], [[0.1, 0.1], [0.2, 0.4]]], np.float32)
        >>> masks = np.array([[[0, 0], [0, 1]], [[0, 0], [0, 0]]])
        >>> state = PixelState()
        >>> state.update(maps, masks)
        >>> values = state.finish()
        >>> values.pixel_auroc, values.pixel_pro_exact, values.n_regions
        (1.0, 1.0, 1)
    """

    def __init__(self, budget: int = BUDGET) -> None:
        """An empty state that is exact up to `budget` pixels."""
        self.budget = budget
        self._pixels = 0
        self._low, self._high = np.float32(np.inf), np.float32(-np.inf)
        self._keys: list[Keys] = []
        self._hits: list[tuple[Keys, Ints]] = []
        self._table: CountTable | None = None
        self._sketches: list[ImageSketch] = []

    def update(self, maps: Any, masks: Any, names: Sequence[str] | None = None) -> None:
        """Add a batch of images.

        Args:
            maps: (B, H, W) anomaly scores, float32, NumPy or torch on any device; higher = more anomalous.
                Sizes may differ from batch to batch.
            masks: (B, H, W) of 0 (normal) and 1 (anomalous), or the result of `label_masks` on them.
            names: (B,) what errors and sketches call the images.

        Raises:
            ZsadError: a score is NaN or infinite, a mask is of another size or not binary. Nothing is added.
        """
        arrays = map_array(maps)
        names = () if names is None else tuple(names)
        labelled = isinstance(masks, list) and all(isinstance(mask, ImageRegions) for mask in masks)
        regions = masks if labelled else label_masks(masks, names)
        check_shapes(arrays.shape, regions, names)
        every = score_keys(arrays.reshape(len(arrays), arrays.shape[1] * arrays.shape[2]))
        ends = finite_ends(np.stack([every.min(1), every.max(1)], 1), names)
        for index, image in enumerate(regions):
            keys = every[index]
            hits = region_weights(keys[image.pixels], image)
            low, high = ends[index]
            self._low, self._high = min(self._low, low), max(self._high, high)
            self._gather(keys.size, [keys], [hits])
            self._sketches.append(sketch_image(names[index] if names else "", (low, high), keys, image, hits))

    def take(self, sketches: Sequence[ImageSketch], counted: "tuple[Keys, Keys, Ints] | CountTable") -> None:
        """Add images that somebody else has counted and sketched.

        Args:
            sketches: of the images.
            counted: the keys of all their pixels, those of the anomalous ones and the region weights of
                these; or, of more pixels than the budget, a table of `table_capacity` that holds them.
        """
        part = PixelState(self.budget)
        part._sketches = list(sketches)
        part._low, part._high = min(it.low for it in sketches), max(it.high for it in sketches)
        part._pixels = sum(it.normals + it.anomalous for it in sketches)
        if isinstance(counted, CountTable):
            part._table = counted
        else:
            keys, hit_keys, weights = counted
            part._keys, part._hits = [keys], [(hit_keys, weights)]
        self.merge(part)

    @property
    def table_capacity(self) -> int:
        """Of the table that counts what goes beyond the budget."""
        return self.budget // _PIXELS_PER_ROW

    def merge(self, other: "PixelState") -> None:
        """Add what `other` has gathered; `other` stays as it is.

        Raises:
            ZsadError: the budgets differ.
        """
        if other.budget != self.budget:
            raise ZsadError(
                f"cannot merge pixel states of budgets {self.budget} and {other.budget}; give both the same"
            )
        self._low, self._high = min(self._low, other._low), max(self._high, other._high)
        self._gather(other._pixels, other._keys, other._hits)
        if self._table is not None and other._table is not None:
            self._table.merge(other._table)
        self._sketches += other._sketches

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """What `restored` makes this state of again: no more than is occupied, and no names of images."""
        if self._table is not None:
            return sketch_arrays(self._sketches) | self._table.arrays()
        return sketch_arrays(self._sketches) | {
            "keys": np.concatenate([np.zeros(0, np.uint32), *self._keys]),
            "anomalous": np.concatenate([np.zeros(0, np.uint32), *(keys for keys, _ in self._hits)]),
            "weights": np.concatenate([np.zeros(0, np.int64), *(weights for _, weights in self._hits)]),
        }

    @classmethod
    def restored(
        cls, arrays: Mapping[str, npt.NDArray[Any]], names: Sequence[str], budget: int = BUDGET
    ) -> "PixelState":
        """The state that `arrays` were made of.

        Args:
            arrays: of `arrays`, from a state of at least one image.
            names: of its images.
            budget: that it had.

        Raises:
            KeyError, ValueError: they are those of no such state.
        """
        state = cls(budget)
        if "pages" in arrays:
            counted: Any = CountTable.restored(arrays, state.table_capacity)
        else:
            counted = arrays["keys"], arrays["anomalous"], arrays["weights"]
        state.take(sketches_of(arrays, names), counted)
        return state

    def finish(self) -> PixelMetrics:
        """The values of all images so far; all None when no pixel, or every pixel, is anomalous."""
        ranking = self._ranking()
        if ranking.positives in {0, ranking.pixels}:
            return PixelMetrics(None, None, None, None, None, None, ranking.regions, 0, None)
        curve = ranking.curve()
        pro, points, fpr_max = self._protocol(ranking)
        return PixelMetrics(
            pixel_auroc=float(curves.auroc(curve.fp, curve.tp)),
            pixel_ap=float(curves.average_precision(curve.fp, curve.tp)),
            pixel_f1_max=float(curves.f1_max(curve.fp, curve.tp)),
            pixel_pro=pro,
            pixel_pro_exact=float(curves.pro_exact(curve.fp, curve.cover)),
            pixel_pro_exact_005=float(curves.pro_exact(curve.fp, curve.cover, curves.PRO_LIMIT_005)),
            n_regions=ranking.regions,
            pro_points=points,
            pro_fpr_max=fpr_max,
        )

    @property
    def sketches(self) -> tuple[ImageSketch, ...]:
        """What `pixel_intervals` needs of each image."""
        return tuple(self._sketches)

    def _gather(self, pixels: int, keys: list[Keys], hits: list[tuple[Keys, Ints]]) -> None:
        """Keep or count `keys` and `hits`; `pixels` is what the whole state grows by."""
        self._pixels += pixels
        if self._table is None and self._pixels > self.budget:
            self._table = CountTable(self.table_capacity)
            keys, hits = self._keys + keys, self._hits + hits
            self._table.open(keys)
            self._keys, self._hits = [], []
        if self._table is None:
            self._keys += keys
            self._hits += hits
            return
        for part in keys:
            self._table.add(part)
        for anomalous, weights in hits:
            self._table.add_hits(anomalous, weights)

    def _ranking(self) -> Ranking:
        if self._table is not None:
            return self._table.ranking()
        keys = np.concatenate([np.zeros(0, np.uint32), *self._keys])
        keys.sort()
        hit_keys = np.concatenate([np.zeros(0, np.uint32), *(anomalous for anomalous, _ in self._hits)])
        weights = np.concatenate([np.zeros(0, np.int64), *(weight for _, weight in self._hits)])
        return Ranking(keys, None, *group_hits(hit_keys, weights), row_bits=0)

    def _protocol(self, ranking: Ranking) -> tuple[float | None, int, float | None]:
        thresholds = protocol_thresholds(self._low, self._high)
        points = ranking.above(threshold_keys(thresholds))
        return protocol_pro(points.fp / ranking.negatives, points.cover / (ranking.regions << WEIGHT_BITS))


def check_shapes(shape: tuple[int, ...], regions: Sequence[ImageRegions], names: Sequence[str]) -> None:
    """Refuse maps of a shape (B, H, W) that are not those of `regions` and `names`.

    Raises:
        ZsadError: another number of them, or a map of another size than its mask.
    """
    if shape[0] != len(regions):
        raise ZsadError(f"{shape[0]} maps with {len(regions)} masks; pass one mask a map")
    if names and len(names) != shape[0]:
        raise ZsadError(f"{shape[0]} maps with {len(names)} names; pass one name a map, or none")
    for index, image in enumerate(regions):
        if shape[1:] != image.shape:
            raise ZsadError(
                f"{image_name(names, index)}: the map is {_size(shape[1:])}, its mask"
                f" {_size(image.shape)}; resize the mask to the evaluation size first"
            )


def finite_ends(keys: Keys, names: Sequence[str]) -> npt.NDArray[np.float32]:
    """Lowest and highest score of each image, from the keys of both: (B, 2), zeros positive.

    Raises:
        ZsadError: one is NaN or infinite; the keys of NaN lie beyond those of infinity.
    """
    ends = key_scores(keys)
    bad = np.flatnonzero(~np.isfinite(ends).all(1))
    if bad.size:
        raise ZsadError(
            f"{image_name(names, int(bad[0]))}: the anomaly map holds NaN or infinite scores, which cannot"
            " be ranked; look at the method that made it"
        )
    return ends


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(str(side) for side in shape)
