"""Pixel counts on the device where the maps lie: what comes back is a `PixelState`, not pixels.

`DevicePixels` stands where a `PixelState` does and ends in the same values, bit for bit: keys, region
weights, tables and sketches are integers, and so is all that is done with them here. A map is kept as its
keys, 4 bytes a pixel, and adding a batch waits for nothing. When the keys fill the memory that they may take,
and at the end, they are counted: once sorted, their ranks at the edges of a `CountTable`'s rows are the
counts, with no atomic operation. On a CPU `PixelState` is several times as fast.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pipeline.clip.architecture import upload
from pipeline.execution.device_masks import DeviceMasks, counts_on
from pipeline.metrics import ImageRegions, PixelMetrics, PixelState, label_masks
from pipeline.metrics.arrays import Keys, check_map_shape
from pipeline.metrics.sketch import HIT_STRATA, NORMAL_STRATA, ImageSketch, cuts, middles, sample_step
from pipeline.metrics.state import BUDGET, check_shapes, finite_ends
from pipeline.metrics.table import CountTable

_LOW = 0xFFFFFFFF
_SIGN = 1 << 31
_HIGHEST = _SIGN - 1  # as an int32 key, above every score
_PIECE = 1 << 25
"""Keys that are sorted at a time, with some 28 bytes of torch's for each: 1 GiB."""
_PAGE_BITS = 16
_LARGEST_BIT = 1 << 30


@dataclass(frozen=True)
class _Batch:
    """What a cell keeps of a batch until it is counted; keys are int32 and sort as scores do."""

    names: Sequence[str]
    regions: Sequence[ImageRegions]
    strata: Sequence[int]
    weights: Tensor
    keys: Tensor
    ends: Tensor
    hit_keys: Tensor
    normal_strata: Tensor
    hit_strata: Tensor
    cover: Tensor
    lonely: dict[int, Tensor]


class DevicePixels:
    """A `PixelState` whose maps stay on their device; see there for what it gathers and refuses."""

    def __init__(self, memory: int, budget: int = BUDGET) -> None:
        """An empty state that keeps at most `memory` bytes of keys, and a batch more, on the device."""
        self._memory = memory
        self._kept: list[_Batch] = []
        self._state = PixelState(budget)

    def update(self, maps: Tensor, masks: Any, names: Sequence[str] | None = None) -> None:
        """See `PixelState.update`; a score that is NaN or infinite is refused when it is counted.

        Args:
            maps: (B, H, W) of any float type.
            masks: as there, or `DeviceMasks` of them.
            names: as there.
        """
        names = tuple(names or ())
        check_map_shape(tuple(maps.shape))
        if not isinstance(masks, DeviceMasks):
            labelled = isinstance(masks, list) and all(isinstance(mask, ImageRegions) for mask in masks)
            masks = DeviceMasks.of(masks if labelled else label_masks(masks, names), maps.device)
        check_shapes(tuple(maps.shape), masks.regions, names)
        if masks.regions:
            self._kept.append(_gathered(_sortable(maps.detach().float().flatten(1)), masks, names))
        if sum(4 * (batch.keys.numel() + batch.hit_keys.numel()) for batch in self._kept) > self._memory:
            self._count()

    def finish(self) -> PixelMetrics:
        """See `PixelState.finish`."""
        return self.state().finish()

    @property
    def sketches(self) -> tuple[ImageSketch, ...]:
        """See `PixelState.sketches`."""
        return self.state().sketches

    def merge(self, other: PixelState) -> None:
        """See `PixelState.merge`."""
        self.state().merge(other)

    def state(self) -> PixelState:
        """All so far as a `PixelState`, which can be merged and kept."""
        self._count()
        return self._state

    def _count(self) -> None:
        """Count what is kept, and let go of it."""
        if not self._kept:
            return
        kept, self._kept = self._kept, []
        sketches = _sketches(kept)
        hits = torch.cat([batch.hit_keys for batch in kept])
        weights = torch.cat([batch.weights for batch in kept])
        keys = [batch.keys.flatten() for batch in kept]
        del kept  # and with it what the sketches were made of
        if sum(part.numel() for part in keys) <= self._state.budget:
            counted = _unsigned(torch.cat(keys)), _unsigned(hits), weights.cpu().numpy()
            self._state.take(sketches, counted)
        else:
            self._state.take(sketches, _table(keys, hits, weights, self._state.table_capacity))


def pixel_state(device: torch.device, cells: int) -> PixelState | DevicePixels:
    """An empty state for one of the `cells` of a group whose maps lie on `device`."""
    return DevicePixels(_key_memory(device) // cells) if counts_on(device) else PixelState()


def gathered(pixels: PixelState | DevicePixels) -> PixelState:
    """What a `pixel_state` has gathered so far."""
    return pixels.state() if isinstance(pixels, DevicePixels) else pixels


def _key_memory(device: torch.device) -> int:
    """Bytes of keys that the cells of a group may keep together: a quarter of what is free now.

    Counting takes 1 GiB beside them; the rest is for the tower's activations.
    """
    if device.type != "cuda":
        return 1 << 30
    unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return (torch.cuda.mem_get_info(device)[0] + unused) // 4


def _gathered(keys: Tensor, masks: DeviceMasks, names: Sequence[str]) -> _Batch:
    """Of a batch of keys (B, n): what `region_weights` and `sketch_image` make of each image."""
    flat = keys.flatten()
    # Words of a region and an inverted key, then of an image and a key: no 32 bits of one are the other's.
    words = (masks.region | (_upper(flat[masks.pixels]) ^ _LOW)).sort().values
    ranked = (words & _LOW) ^ _LOW
    words, place = (masks.image | ranked).sort(stable=True)
    summed = torch.cat([ranked.new_zeros(1), masks.weights[place].cumsum(0)])
    sample = keys[:, :: sample_step(keys.shape[1])].masked_fill(masks.hidden, _HIGHEST).sort(1).values
    return _Batch(
        names,
        masks.regions,
        masks.strata,
        masks.weights,
        keys,
        torch.stack([keys.amin(1), keys.amax(1)], 1),
        _lower(ranked),
        sample.gather(1, masks.normal),
        _lower((words & _LOW)[masks.hit]),
        summed[masks.end] - summed[masks.start],
        {row: _strata(keys[row][pixels]) for row, pixels in masks.lonely.items()},
    )


def _strata(keys: Tensor) -> Tensor:
    places = torch.from_numpy(middles(cuts(keys.numel(), NORMAL_STRATA)))
    return keys.sort().values[upload(places, keys.device)]


def _sketches(kept: Sequence[_Batch]) -> list[ImageSketch]:
    """Of all images, with a handful of copies from the device; refuses scores that are not finite."""
    ends = _unsigned(torch.cat([batch.ends for batch in kept]))
    normal = _unsigned(torch.cat([batch.normal_strata for batch in kept]))
    hit_keys = _unsigned(torch.cat([batch.hit_strata for batch in kept]))
    cover = torch.cat([batch.cover for batch in kept]).cpu().numpy()
    sketches, row, start = [], 0, 0
    for batch in kept:
        images = batch.regions
        both = finite_ends(ends[row : row + len(images)], batch.names)
        for place, (image, (low, high)) in enumerate(zip(images, both, strict=True)):
            anomalous = image.pixels.size
            normals = image.shape[0] * image.shape[1] - anomalous
            stop = start + min(anomalous, HIT_STRATA)
            strata = normal[row, : batch.strata[place]]
            if place in batch.lonely:
                strata = _unsigned(batch.lonely[place])
            sketches.append(
                ImageSketch(
                    batch.names[place] if batch.names else "",
                    low,
                    high,
                    normals,
                    strata,
                    anomalous,
                    hit_keys[start:stop],
                    cover[start:stop],
                )
            )
            row, start = row + 1, stop
    return sketches


def _table(keys: list[Tensor], hit_keys: Tensor, weights: Tensor, capacity: int) -> CountTable:
    """The counts of all keys; `keys` is emptied, so that sorting needs no room for all of them twice."""
    table = CountTable(capacity)
    pieces = list(_sorted_pieces(keys))
    lowest = torch.stack([_lowest_bit(piece) for piece in pieces]).amin()
    last = (torch.arange(1, (1 << _PAGE_BITS) + 1, device=lowest.device) << _PAGE_BITS) - 1
    ranks = torch.stack([torch.searchsorted(piece, _lower(last), right=True) for piece in pieces]).sum(0)
    present = torch.diff(ranks, prepend=ranks.new_zeros(1)).cpu().numpy()
    first, width = table.rows(np.flatnonzero(present))
    rows = upload(torch.from_numpy(first.astype(np.int64)), lowest.device)
    edges = _lower(rows), _lower(rows + (width - 1))
    pixels = torch.stack([torch.sub(*_ranks(piece, edges)) for piece in pieces]).sum(0)
    counts = torch.stack([pixels, *_hits(hit_keys, weights, edges)])
    table.fill(counts.cpu().numpy(), int(lowest))
    return table


def _sorted_pieces(keys: list[Tensor]) -> Iterator[Tensor]:
    pile: list[Tensor] = []
    while keys:
        pile.append(keys.pop())
        if not keys or sum(part.numel() for part in pile) >= _PIECE:
            yield torch.cat(pile).sort().values
            pile.clear()


def _ranks(ordered: Tensor, edges: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Where rows end and begin in `ordered` keys; `edges` are the first and the last key of each row."""
    first, last = edges
    return torch.searchsorted(ordered, last, right=True), torch.searchsorted(ordered, first)


def _hits(keys: Tensor, weights: Tensor, edges: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Anomalous pixels and region weights of each row."""
    hits = weights.new_zeros(len(edges[0]))
    cover = torch.zeros_like(hits)
    for part, heavy in zip(torch.split(keys, _PIECE), torch.split(weights, _PIECE), strict=True):
        ordered, place = part.sort()
        summed = torch.cat([heavy.new_zeros(1), heavy[place].cumsum(0)])
        end, start = _ranks(ordered, edges)
        hits, cover = hits + end - start, cover + summed[end] - summed[start]
    return hits, cover


def _lowest_bit(keys: Tensor) -> Tensor:
    """The lowest bit that a key sets, in the half of the word that rows may leave out."""
    bits = keys & -keys
    return torch.where(bits == 0, _LARGEST_BIT, bits).amin()


def _sortable(scores: Tensor) -> Tensor:
    """`score_keys` of float32 scores, less 2^31: int32, because torch sorts no unsigned integers."""
    bits = scores.contiguous().view(torch.int32)
    negative = bits >> 31
    return ((bits & _HIGHEST) ^ negative) - negative


def _upper(keys: Tensor) -> Tensor:
    """Int32 keys as int64 ones from 0 up, as `score_keys` has them."""
    return keys.to(torch.int64) + _SIGN


def _lower(keys: Tensor) -> Tensor:
    """The inverse of `_upper`."""
    return (keys - _SIGN).to(torch.int32)


def _unsigned(keys: Tensor) -> Keys:
    """Int32 keys as `score_keys` has them, on the CPU."""
    found: Keys = keys.cpu().numpy().view(np.uint32) ^ np.uint32(_SIGN)
    return found
