"""All pixels of a subset in order of score, as far as the metrics need it.

Every pixel metric depends on the scores through a few integers for each distinct anomalous score: how many
pixels lie above it, how many tie, how many of both are anomalous. Normal pixels need neither an order among
themselves nor an index. A ranking answers those counts from sorted keys, whether each key is one pixel
(exact) or a row of neighbouring keys with a count (`pipeline.metrics.table`).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from pipeline.metrics.arrays import Ints, Keys
from pipeline.metrics.curves import Curve
from pipeline.metrics.regions import WEIGHT_BITS

_Side = Literal["left", "right"]


@dataclass(frozen=True, slots=True)
class Ranking:
    """Sorted score keys of a subset.

    Attributes:
        keys: ascending; every pixel (exact), or the lowest key of every occupied row.
        below: (keys + 1,) pixels before each entry of `keys`; None when each entry is one pixel.
        hit_keys: the distinct keys, or rows, that hold anomalous pixels, ascending.
        hits: anomalous pixels of each.
        weights: region weight of each, in units of 2^-38 regions.
        row_bits: low bits of a key that a row does not tell apart; 0 = exact.
    """

    keys: Keys
    below: Ints | None
    hit_keys: Keys
    hits: Ints
    weights: Ints
    row_bits: int

    @property
    def pixels(self) -> int:
        """Number of pixels."""
        return self.keys.size if self.below is None else int(self.below[-1])

    @property
    def positives(self) -> int:
        """Number of anomalous pixels."""
        return int(self.hits.sum())

    @property
    def negatives(self) -> int:
        """Number of normal pixels."""
        return self.pixels - self.positives

    @property
    def regions(self) -> int:
        """Number of regions."""
        return int(self.weights.sum()) >> WEIGHT_BITS

    def above(self, keys: Keys) -> Curve:
        """Counts in the entries strictly above each of `keys`."""
        return self._beyond(keys, "right")

    def from_row(self, keys: Keys) -> Curve:
        """Counts in the entries above each of `keys` and in the row that holds it."""
        return self._beyond(self._row(keys), "left")

    def curve(self) -> Curve:
        """From the top: start and end of each group of ties that holds an anomalous pixel, then the totals.

        (1 + 2 groups + 1,) points; from an end to the next start only `fp` grows.
        """
        hits, weights = _from_top(self.hits), _from_top(self.weights)
        start, end = (self._pixels(self.hit_keys, side) for side in ("right", "left"))
        tp = _points(hits[1:], hits[:-1], hits[0])
        return Curve(
            _points(start, end, self.pixels) - tp, tp, _points(weights[1:], weights[:-1], weights[0])
        )

    def _row(self, keys: Keys) -> Keys:
        bits = np.uint32(self.row_bits)
        return keys >> bits << bits

    def _pixels(self, keys: Keys, side: _Side) -> Ints:
        place = np.searchsorted(self.keys, keys, side)
        return self.pixels - (place if self.below is None else self.below[place])

    def _beyond(self, keys: Keys, side: _Side) -> Curve:
        place = np.searchsorted(self.hit_keys, keys, side)
        tp = _from_top(self.hits)[place]
        return Curve(self._pixels(keys, side) - tp, tp, _from_top(self.weights)[place])


def group_hits(keys: Keys, weights: Ints) -> tuple[Keys, Ints, Ints]:
    """Distinct keys ascending, with how often each occurs and the sum of its weights."""
    keys, weights = sort_hits(keys, weights)
    starts = np.flatnonzero(np.diff(keys, prepend=~keys[:1]))
    sums = np.add.reduceat(weights, starts) if keys.size else weights
    return keys[starts], np.diff(starts, append=keys.size), sums


def sort_hits(keys: Keys, weights: Ints) -> tuple[Keys, Ints]:
    """Keys ascending, with the weights that belong to them."""
    # The position rides in the low half of the word: sorting values is ten times faster than an argsort.
    words = (keys.astype(np.uint64) << np.uint64(32)) | np.arange(keys.size, dtype=np.uint64)
    words.sort()
    return (words >> np.uint64(32)).astype(np.uint32), weights[words & np.uint64(0xFFFFFFFF)]


def _from_top(values: Ints) -> Ints:
    """(n + 1,) sums of `values[i:]`."""
    sums = np.zeros(values.size + 1, np.int64)
    np.cumsum(values[::-1], out=sums[1:])
    return sums[::-1]


def _points(start: Ints, end: Ints, total: int | np.int64) -> Ints:
    """0, then start and end of each group from the highest score down, then the total."""
    points = np.empty(2 * start.size + 2, np.int64)
    points[0], points[-1] = 0, total
    points[1:-1:2], points[2:-1:2] = start[::-1], end[::-1]
    return points
