"""The twins and the batches that are made of them."""

import hashlib

import numpy as np
import pytest

from pipeline.miniature.drawing import DEFECTS, OBJECTS, ORGANS, TEXTURES
from pipeline.miniature.pretraining.pictures import (
    EVALUATION_VIEW,
    TRAINING_VIEW,
    Pool,
    View,
    batches,
    draw_pool,
    draw_twins,
)


@pytest.fixture(scope="module")
def pool() -> Pool:
    return draw_pool(24, TRAINING_VIEW, seed=5)


def test_the_drawings_are_those_that_the_shipped_weights_learnt_from() -> None:
    """The first of them, with every kind of thing and of defect; another digest asks for other weights."""
    pool = draw_pool(409, TRAINING_VIEW, seed=7)
    assert {subject.kind for subject in pool.subjects} == {*OBJECTS, *TEXTURES, *ORGANS}
    assert {subject.defect for subject in pool.subjects} == set(DEFECTS)
    digest = hashlib.sha256()
    for images, mask in zip(pool.images, pool.masks, strict=True):
        digest.update(images.tobytes() + mask.tobytes())
    assert digest.hexdigest() == "28ed0ce181892c0b643b2bdab11e3a1ee1f762eb9a5c9e9d98bab2e7702e0b75"


def test_twins_differ_under_the_mask_and_nowhere_far_from_it(pool: Pool) -> None:
    difference = np.abs(pool.images[:, 0].astype(int) - pool.images[:, 1]).max(axis=3)
    for change, mask in zip(difference, pool.masks, strict=True):
        near = mask.copy()
        for _ in range(12):  # a soft edge, and half a pixel of resampling
            near[1:] |= near[:-1]
            near[:-1] |= near[1:]
            near[:, 1:] |= near[:, :-1]
            near[:, :-1] |= near[:, 1:]
        assert change[~near].max(initial=0) <= 16  # a haze fades slowly
        assert np.median(change[mask]) > 0


def test_pictures_are_as_the_view_says(pool: Pool) -> None:
    assert pool.images.shape == (24, 2, 72, 72, 3)
    assert pool.masks.shape == (24, 72, 72)
    assert pool.masks.sum(axis=(1, 2)).min() >= 12
    assert draw_twins(0, view=EVALUATION_VIEW, seed=1).whole.shape == (112, 112, 3)


def test_a_picture_depends_on_seed_and_number_only(pool: Pool) -> None:
    alone = draw_twins(7, view=TRAINING_VIEW, seed=5)
    assert np.array_equal(alone.whole, pool.images[7, 0])
    assert np.array_equal(alone.damaged, pool.images[7, 1])
    assert not np.array_equal(alone.whole, draw_twins(7, view=TRAINING_VIEW, seed=6).whole)


def test_the_number_of_processes_changes_nothing() -> None:
    view = View(side=24, canvas=(24, 30), zoom=(1.0, 1.2))
    one, two = (draw_pool(6, view, seed=2, processes=processes) for processes in (1, 2))
    assert np.array_equal(one.images, two.images)
    assert one.subjects == two.subjects


def test_batches_pair_the_twins_and_show_the_defect_through_every_window(pool: Pool) -> None:
    for batch in batches(pool, ((6, 48), (2, 72)), 8, seed=3, patch=8):
        side = batch.masks.shape[1]
        assert batch.images.shape == (16, side, side, 3)
        assert len(batch.captions) == len(batch.pieces) == 16
        assert batch.masks.any(axis=(1, 2)).all()
        assert max(batch.corner) * 8 + side <= 72
        change = np.abs(batch.images[:8].astype(int) - batch.images[8:]).max(axis=3)
        assert (change[batch.masks] > 0).mean() > 0.7


def test_every_round_of_batches_shows_every_twin_once(pool: Pool) -> None:
    shown = [batch.images[:8] for batch in batches(pool, ((3, 72),), 8, seed=3, patch=8)]
    seen = np.concatenate(shown).reshape(24, -1)
    assert len(np.unique(seen, axis=0)) == 24
    assert {row.tobytes() for row in seen} == {image.tobytes() for image in pool.images[:, 0]}
