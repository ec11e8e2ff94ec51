"""The images of a prepared subset, batch by batch, with the next batch read while this one is worked on.

Reading, unpacking and labelling masks, and copying into pinned memory happen in one thread beside the tower.
One batch is read ahead and no more, and what earlier ones left free goes back to the system now and then, so
memory does not grow with the number of images.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from pipeline.execution.heap import give_back
from pipeline.metrics import ImageRegions, label_masks
from pipeline.shards import SubsetShard

T = TypeVar("T")

_GIVE_BACK = 16  # batches between two times that free memory is given back


@dataclass(frozen=True)
class ImageBatch:
    """Some images: uint8 (B, S, S, 3), their names, and the regions of their masks where there are masks."""

    images: Tensor
    names: tuple[str, ...]
    regions: list[ImageRegions] | None


def read_batches(shard: SubsetShard, size: int, *, pin: bool = False) -> Iterator[ImageBatch]:
    """The images of `shard` in order, at most `size` at a time.

    Args:
        shard: A prepared subset.
        size: Images a batch.
        pin: Into pinned memory, from which a copy to a CUDA device runs beside the work there.
    """
    for number, start in enumerate(range(0, len(shard), size)):
        if number % _GIVE_BACK == _GIVE_BACK - 1:
            give_back()
        rows = slice(start, min(start + size, len(shard)))
        images = torch.from_numpy(np.array(shard.images[rows]))
        names, masks = shard.paths[rows], shard.masks(rows.start, rows.stop)
        regions = None if masks is None else label_masks(masks, names)
        yield ImageBatch(images.pin_memory() if pin else images, names, regions)


def ahead(items: Iterator[T]) -> Iterator[T]:
    """The same items in the same order; the next one is made in a thread while this one is in use."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="ahead") as thread:
        coming = thread.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = thread.submit(next, items, None)
            yield item
