"""The images of a subset in batches: the next one is read in a thread while one is in use, one and no more.

Free memory goes back to the system now and then, so memory does not grow with the number of images.
"""

import ctypes
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from pipeline.execution.device_masks import Masks, masks_on
from pipeline.metrics import label_masks
from pipeline.shards import SubsetShard

T = TypeVar("T")

_RELEASE = 16  # batches between two times that free memory goes back to the system
_TRIM = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's own; other allocators have no such call


@dataclass(frozen=True)
class ImageBatch:
    """Some images: uint8 (B, S, S, 3), their names, and what their masks say where there are masks."""

    images: Tensor
    names: tuple[str, ...]
    masks: Masks | None


def read_batches(
    shard: SubsetShard, size: int, device: torch.device, images: range | None = None
) -> Iterator[ImageBatch]:
    """The images of `shard` in order, at most `size` at a time.

    Args:
        shard: A prepared subset.
        size: Images a batch.
        device: Of the tower. What goes to a CUDA device is pinned: its copy runs beside the work there.
        images: Which of them, None for all.
    """
    images = range(len(shard)) if images is None else images
    for number, start in enumerate(images[::size]):
        if number % _RELEASE == _RELEASE - 1:
            release_memory()
        rows = slice(start, min(start + size, images.stop))
        pixels = torch.from_numpy(np.array(shard.images[rows]))
        names, masks = shard.paths[rows], shard.masks(rows.start, rows.stop)
        regions = None if masks is None else label_masks(masks, names)
        there = None if regions is None else masks_on(device, regions)
        yield ImageBatch(pixels.pin_memory() if device.type == "cuda" else pixels, names, there)


def ahead(items: Iterator[T]) -> Iterator[T]:
    """The same items in the same order; the next one is made in a thread while this one is in use."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="ahead") as thread:
        coming = thread.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = thread.submit(next, items, None)
            yield item


def release_memory() -> None:
    """Return every free page to the system; some 10 ms, and as much again until they are in use again.

    A batch makes large arrays that go and small ones that stay. What is free then lies in holes between the
    small ones; glibc keeps these pages, and as new arrays do not always fit the old holes, a process would
    grow with the number of images, whatever it holds.
    """
    if _TRIM is not None:
        _TRIM(0)
