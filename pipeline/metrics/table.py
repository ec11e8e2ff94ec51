"""Pixel counts by score in bounded memory, whatever the number of images.

Keys are counted in rows of 2^b neighbouring keys. Rows come in pages: all rows that share the upper 16 bits
of the key, 1/128 of a binade. Only pages that hold a pixel exist, and b is the smallest number for which the
rows of the existing pages fit the capacity. Narrow scores keep b = 0, which is exact; an outlier costs one
page. Where no key uses the lowest b bits (integers, half-precision scores), a row is one score: exact again.

Merging parts in any order gives the same counts, bit for bit: the pages of a union are the union of the
pages, so b of a part is never above b of the whole, and the rows of the whole are sums of rows of the parts.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.metrics.arrays import Ints, Keys
from pipeline.metrics.ranking import Ranking

_PAGE_BITS = 16
_ABSENT = -(1 << 40)
_CHUNK = 1 << 16
"""Pixels counted at a time: their row numbers stay in the processor's second-level cache."""

_PIXELS, _HITS, _WEIGHTS = range(3)


class CountTable:
    """Pixels, anomalous pixels and region weights in rows of neighbouring scores."""

    def __init__(self, capacity: int) -> None:
        """An empty table of at most `capacity` rows of 24 bytes; 2^16 (a row a page) at least."""
        self.capacity = max(capacity, 1 << _PAGE_BITS)
        self._row_bits = 0
        # Pages keep their order of arrival, so that a new one moves no counts.
        self._pages = np.zeros(0, np.int64)
        self._first_row = np.full(1 << _PAGE_BITS, _ABSENT, np.int64)
        self._counts = np.zeros((3, 0), np.int64)
        self._used_bits = np.uint32(0)

    def open(self, keys: Sequence[Keys]) -> None:
        """Make room for the pages of `keys`, so that adding them widens the rows at most once."""
        present = np.zeros(1 << _PAGE_BITS, np.bool_)
        for part in keys:
            present[_pages(part)] = True
        self._make_room(np.flatnonzero(present))

    def add(self, keys: Keys) -> None:
        """Count pixels, anomalous or not."""
        self._used_bits |= np.bitwise_or.reduce(keys)
        for start in range(0, keys.size, _CHUNK):
            rows = self._rows(keys[start : start + _CHUNK])
            np.add.at(self._counts[_PIXELS], rows, 1)

    def add_hits(self, keys: Keys, weights: Ints) -> None:
        """Mark pixels that `add` has counted as anomalous, with their region weights."""
        rows = self._rows(keys)
        np.add.at(self._counts[_HITS], rows, 1)
        np.add.at(self._counts[_WEIGHTS], rows, weights)

    def fill(self, counts: Ints, used_bits: int) -> None:
        """Add what somebody else has counted: (3, rows) of pixels, anomalous pixels and region weights.

        Args:
            counts: of the rows as `rows` has them.
            used_bits: no bit below the lowest of these is set in any key.
        """
        self._own_counts()
        used = self._used()
        used += counts
        self._used_bits |= np.uint32(used_bits)

    def rows(self, pages: Ints) -> tuple[Keys, int]:
        """The lowest key of every row after room is made for `pages`, upper halves of keys; keys in a row."""
        self._make_room(pages)
        keys = self._lowest_keys(self._pages, np.arange(self._used().shape[1]))
        return keys, 1 << self._row_bits

    def merge(self, other: "CountTable") -> None:
        """Add the counts of `other`, a table of the same capacity, which stays as it is."""
        self._used_bits |= other._used_bits
        self._make_room(other._pages)
        counts = _widened(other._used(), self._row_bits - other._row_bits)
        within = np.arange(1 << (_PAGE_BITS - self._row_bits))
        rows = self._first_row[other._pages][:, None] + within
        self._own_counts()
        self._counts[:, rows.ravel()] += counts

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """What `restored` makes this table of again: its pages, and counts of its occupied rows alone."""
        order = np.argsort(self._pages)  # as `rows` puts those of an empty table
        by_page = self._used().reshape(3, order.size, 1 << (_PAGE_BITS - self._row_bits))
        pixels, hits, weights = by_page[:, order].reshape(3, -1)
        occupied, hit = pixels > 0, hits > 0
        return {
            "pages": self._pages[order].astype(np.uint16),
            "used_bits": np.array([self._used_bits], np.uint32),
            "occupied": np.packbits(occupied),
            "pixels": _narrow(pixels[occupied]),
            "hit": np.packbits(hit),
            "hits": _narrow(hits[hit]),
            "weights": weights[hit],
        }

    @classmethod
    def restored(cls, arrays: Mapping[str, npt.NDArray[Any]], capacity: int) -> "CountTable":
        """The table that `arrays` were made of; its pages decide how wide its rows are.

        Raises:
            ValueError: they are those of no table.
        """
        table = cls(capacity)
        rows = len(table.rows(arrays["pages"].astype(np.int64))[0])
        counts = np.zeros((3, rows), np.int64)
        for kinds, where, values in (
            ((_PIXELS,), "occupied", ("pixels",)),
            ((_HITS, _WEIGHTS), "hit", ("hits", "weights")),
        ):
            if arrays[where].size != -(-rows // 8):
                raise ValueError(f"{rows} rows, not those of {where}")
            places = np.unpackbits(arrays[where], count=rows).astype(np.bool_)
            for kind, name in zip(kinds, values, strict=True):
                counts[kind, places] = arrays[name]
        table.fill(counts, int(arrays["used_bits"][0]))
        return table

    def ranking(self) -> Ranking:
        """The occupied rows; each stands for its lowest key."""
        pixels, hits, weights = self._used()
        order = np.argsort(self._pages)
        ascending = pixels.reshape(order.size, 1 << (_PAGE_BITS - self._row_bits))[order].ravel()
        occupied = np.flatnonzero(ascending)
        below = np.zeros(occupied.size + 1, np.int64)
        np.cumsum(ascending[occupied], out=below[1:])
        row_keys = self._lowest_keys(self._pages[order], occupied)
        hit = np.flatnonzero(hits)
        hit = hit[np.argsort(self._lowest_keys(self._pages, hit))]
        hit_keys = self._lowest_keys(self._pages, hit)
        exact = not int(self._used_bits) & ((1 << self._row_bits) - 1)
        return Ranking(row_keys, below, hit_keys, hits[hit], weights[hit], 0 if exact else self._row_bits)

    def _rows(self, keys: Keys) -> Ints:
        pages = _pages(keys)
        rows = self._first_row.take(pages)
        if rows.size and rows.min() < 0:
            self.open([keys])
            rows = self._first_row.take(pages)
        within = keys & np.uint32((1 << _PAGE_BITS) - 1)
        within >>= np.uint32(self._row_bits)
        rows += within
        self._own_counts()
        return rows

    def _own_counts(self) -> None:
        if not self._counts.flags.writeable:  # Ray hands out arrays of its object store read-only
            self._counts = self._counts.copy()

    def _make_room(self, pages: Ints) -> None:
        """Open `pages`, with rows as wide as the capacity then asks."""
        pages = np.concatenate([self._pages, np.setdiff1d(pages, self._pages)])
        wider = 0
        while pages.size << (_PAGE_BITS - self._row_bits - wider) > self.capacity:
            wider += 1
        rows = pages.size << (_PAGE_BITS - self._row_bits - wider)
        if wider or rows > self._counts.shape[1]:
            counts = _widened(self._used(), wider)
            self._counts = np.zeros((3, min(self.capacity, 2 * rows)), np.int64)
            self._counts[:, : counts.shape[1]] = counts
        self._pages, self._row_bits = pages, self._row_bits + wider
        self._first_row = np.full(1 << _PAGE_BITS, _ABSENT, np.int64)
        self._first_row[pages] = np.arange(pages.size) << (_PAGE_BITS - self._row_bits)

    def _used(self) -> Ints:
        return self._counts[:, : self._pages.size << (_PAGE_BITS - self._row_bits)]

    def _lowest_keys(self, pages: Ints, rows: npt.NDArray[np.intp]) -> Keys:
        within_bits = _PAGE_BITS - self._row_bits
        within = rows & ((1 << within_bits) - 1)
        keys: Keys = (pages[rows >> within_bits] << _PAGE_BITS | within << self._row_bits).astype(np.uint32)
        return keys


def _narrow(counts: Ints) -> npt.NDArray[Any]:
    """The same counts, in no more bytes each than the largest needs."""
    return counts.astype(np.min_scalar_type(int(counts.max(initial=0))))


def _pages(keys: Keys) -> Ints:
    # `take` and assignment are several times faster with 64-bit indices.
    return (keys >> np.uint32(_PAGE_BITS)).astype(np.int64)


def _widened(counts: Ints, bits: int) -> Ints:
    """Counts with 2^bits neighbouring rows made one; pages are whole numbers of rows, so none straddles."""
    for _ in range(bits):
        counts = counts[:, ::2] + counts[:, 1::2]
    return counts
