"""Reading ahead keeps the order, one batch ahead and no more; what is free goes back to the system."""

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.execution import batches
from pipeline.execution.batches import ahead, read_batches, release_memory
from pipeline.metrics import label_masks
from pipeline.params import load_params
from pipeline.shards import open_subset
from tests.project import Project

CPU = torch.device("cpu")


@pytest.mark.parametrize("size", [4, 11, 100])
def test_batches_are_the_subset_in_order(trained: Project, size: int) -> None:
    shard = open_subset(load_params().shards / "btad", "01", 112)
    masks = shard.masks(0, len(shard))
    assert masks is not None
    read = list(ahead(read_batches(shard, size, CPU)))
    assert [len(batch.names) for batch in read[:-1]] == [size] * (len(read) - 1)
    assert sum((batch.names for batch in read), ()) == shard.paths
    assert np.array_equal(np.concatenate([batch.images.numpy() for batch in read]), shard.images)
    regions = [image for batch in read if isinstance(batch.masks, list) for image in batch.masks]
    for mine, expected in zip(regions, label_masks(masks), strict=True):
        assert np.array_equal(mine.pixels, expected.pixels)
        assert np.array_equal(mine.region, expected.region)


def test_batches_of_a_range_are_its_images(trained: Project) -> None:
    shard = open_subset(load_params().shards / "btad", "01", 112)
    read = list(read_batches(shard, 4, CPU, range(4, 10)))
    assert [batch.names for batch in read] == [shard.paths[4:8], shard.paths[8:10]]
    assert np.array_equal(np.concatenate([batch.images.numpy() for batch in read]), shard.images[4:10])


def test_a_set_without_masks_has_no_regions(trained: Project) -> None:
    shard = open_subset(load_params().shards / "headct", "brain", 112)
    assert all(batch.masks is None for batch in read_batches(shard, 8, CPU))


def test_the_next_item_is_made_in_a_thread_and_only_that_one() -> None:
    made: list[int] = []
    ready = threading.Event()

    def items() -> Iterator[int]:
        for number in range(4):
            assert threading.current_thread() is not threading.main_thread()
            made.append(number)
            if number == 1:
                ready.set()
            yield number

    reader = ahead(items())
    assert next(reader) == 0
    assert ready.wait(10)
    assert made == [0, 1]
    assert list(reader) == [1, 2, 3]


def test_an_error_while_reading_comes_out_where_the_batch_would() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise OSError("torn page")

    reader = ahead(items())
    assert next(reader) == 1
    with pytest.raises(OSError, match="torn page"):
        next(reader)


def anonymous() -> int:
    """Bytes of this process that no file stands for."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))


@pytest.mark.skipif(batches._TRIM is None, reason="another allocator than glibc's")
def test_holes_are_released() -> None:
    pieces, size = 500, 100_000  # below the size from which glibc maps an array by itself
    stay, go = [], []
    for _ in range(pieces):
        go.append(np.ones(size, np.uint8))
        stay.append(np.ones(1000, np.uint8))
    del go
    before = anonymous()
    release_memory()
    assert before - anonymous() > pieces * size / 2
    assert all(piece.all() for piece in stay)
