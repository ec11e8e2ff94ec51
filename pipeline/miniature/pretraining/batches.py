"""Batches of a training run: which twins, through which window, under which captions."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.miniature.pretraining.captions import damaged_caption, place_words, whole_caption
from pipeline.miniature.pretraining.pictures import Pixels, Pool


@dataclass(frozen=True)
class Batch:
    """P pairs of twins.

    Attributes:
        images: uint8 (2P, s, s, 3), the whole twins first.
        masks: bool (P, s, s), the defects of the damaged ones.
        captions: 2P sentences.
        corner: Row and column of the patch grid at which the pictures are said to lie.
    """

    images: Pixels
    masks: npt.NDArray[np.bool_]
    captions: list[str]
    corner: tuple[int, int]


def batches(
    pool: Pool, stages: tuple[tuple[int, int], ...], pairs: int, *, seed: int, patch: int
) -> Iterator[Batch]:
    """Batches of all stages, going through the pool in a new order each time round.

    A stage whose pictures are smaller than the pool's shows windows that hold a piece of the defect, and a
    random place of the patch grid, so that position embeddings come to mean relations rather than the edges
    of a window.

    Args:
        pool: At least `pairs` twins.
        stages: Steps and side in pixels of each stage.
        pairs: Twins a batch.
        seed: Decides order, windows and captions.
        patch: Side of a patch in pixels.
    """
    rng = np.random.default_rng((seed, 1))
    order = np.empty(0, dtype=np.intp)
    for side in (side for steps, side in stages for _ in range(steps)):
        if len(order) < pairs:
            order = np.concatenate([order, rng.permutation(len(pool))])
        chosen, order = order[:pairs], order[pairs:]
        free = (pool.images.shape[2] - side) // patch + 1
        corner = (int(rng.integers(free)), int(rng.integers(free)))
        yield _batch(pool, chosen, side, corner, rng)


def _batch(
    pool: Pool, chosen: npt.NDArray[np.intp], side: int, corner: tuple[int, int], rng: np.random.Generator
) -> Batch:
    views = [_view(pool, int(index), side, rng) for index in chosen]
    masks = np.stack([mask for _, mask in views])
    subjects = [pool.subjects[index] for index in chosen]
    captions = [whole_caption(subject, rng) for subject in subjects]
    captions += [
        damaged_caption(one, place_words(mask), rng) for one, mask in zip(subjects, masks, strict=True)
    ]
    images = np.concatenate([np.stack([pair[twin] for pair, _ in views]) for twin in (0, 1)])
    return Batch(images, masks, captions, corner)


def _view(
    pool: Pool, index: int, side: int, rng: np.random.Generator
) -> tuple[Pixels, npt.NDArray[np.bool_]]:
    """Both twins (2, side, side, 3) and the mask, seen through one window on a piece of the defect."""
    mask = pool.masks[index]
    places = np.argwhere(mask)
    place = places[int(rng.integers(len(places)))]
    margin = side // 6
    start = np.clip(place - rng.integers(margin, side - margin, size=2), 0, mask.shape[0] - side)
    rows, columns = (slice(int(first), int(first) + side) for first in start)
    return pool.images[index, :, rows, columns], mask[rows, columns]
