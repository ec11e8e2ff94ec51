"""Defects: the mask is exactly where the picture changed, of the promised area, and one can see it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from pipeline.miniature.drawing import (
    DEFECTS,
    OBJECTS,
    Picture,
    add_defect,
    draw_object,
    draw_organ,
    draw_surface,
)

SIZE = (72, 84)
ORGAN_OF = {
    "lesion": "skin",
    "polyp": "colon",
    "nodule": "thyroid",
    "tumour": "brain_mri",
    "bleeding": "brain_ct",
    "opacity": "chest",
}


def ground(kind: str, rng: np.random.Generator) -> Picture:
    """What a defect of this kind occurs on."""
    if kind in ORGAN_OF:
        return draw_organ(ORGAN_OF[kind], SIZE, rng)
    return draw_surface(SIZE, rng)


@pytest.mark.parametrize("kind", DEFECTS)
def test_the_picture_changes_inside_the_mask_and_nowhere_far_from_it(kind: str) -> None:
    rng = np.random.default_rng(11)
    for _ in range(4):
        picture = ground(kind, rng)
        before = picture.image.copy()
        image, mask = add_defect(kind, picture, rng, strength=0.8)
        assert np.array_equal(picture.image, before)
        assert image.dtype == np.float32
        assert mask.dtype == np.bool_
        assert not mask[~picture.region].any()
        changed = np.abs(image - before).max(axis=2) > 0
        edge = int(np.ceil(DEFECTS[kind].softness / 2)) + 2
        assert not (changed & ~ndimage.binary_dilation(mask, iterations=edge)).any()


@pytest.mark.parametrize("kind", DEFECTS)
def test_a_defect_stands_out_from_the_grain(kind: str) -> None:
    rng = np.random.default_rng(5)
    changes = []
    for _ in range(12):
        picture = ground(kind, rng)
        image, mask = add_defect(kind, picture, rng, strength=0.8)
        changes.append(float(np.abs(image - picture.image)[mask].mean()))
    assert np.median(changes) > 0.06
    assert min(changes) > 0.02


@pytest.mark.parametrize("kind", DEFECTS)
def test_the_area_is_within_the_promised_share(kind: str) -> None:
    rng = np.random.default_rng(2)
    low, high = DEFECTS[kind].share
    for _ in range(6):
        picture = ground(kind, rng)
        _, mask = add_defect(kind, picture, rng)
        assert mask.mean() <= high * 1.1 + 1 / mask.size
        if DEFECTS[kind].reach > 0.1 and picture.region.mean() > 0.5:
            assert mask.mean() >= low * 0.8


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    kind=st.sampled_from(sorted(DEFECTS)),
    thing=st.sampled_from(sorted(OBJECTS)),
)
def test_every_defect_fits_every_object(seed: int, kind: str, thing: str) -> None:
    rng = np.random.default_rng(seed)
    picture = draw_object(thing, SIZE, rng)
    image, mask = add_defect(kind, picture, rng, strength=0.8)
    assert mask.any()
    assert not mask[~picture.region].any()
    assert mask.sum() <= max(14, picture.region.sum() // 3 + 2)
    assert image.min() >= 0
    assert image.max() <= 1


def test_a_defect_fits_an_object_of_a_few_pixels() -> None:
    rng = np.random.default_rng(0)
    region = np.zeros(SIZE, dtype=np.bool_)
    region[30:32, 40:43] = True
    surface = draw_surface(SIZE, rng)
    _, mask = add_defect("chip", Picture(surface.image, region, surface.backdrop), rng)
    assert mask.any()
    assert not mask[~region].any()


def test_without_strength_only_opaque_defects_show() -> None:
    for kind, defect in DEFECTS.items():
        rng = np.random.default_rng(1)
        picture = ground(kind, rng)
        image, _ = add_defect(kind, picture, rng, strength=0.0)
        assert np.array_equal(image, picture.image) != defect.opaque


def test_a_chip_touches_the_outline() -> None:
    rng = np.random.default_rng(8)
    picture = draw_object("slab", SIZE, rng)
    for _ in range(5):
        _, mask = add_defect("chip", picture, rng)
        assert (ndimage.binary_dilation(mask, iterations=2) & ~picture.region).any()


def test_a_missing_part_shows_what_lies_behind() -> None:
    rng = np.random.default_rng(4)
    picture = draw_object("slab", SIZE, rng)
    backdrop = np.full_like(picture.backdrop, (0.0, 1.0, 0.0))
    image, mask = add_defect("missing", Picture(picture.image, picture.region, backdrop), rng)
    core = ndimage.binary_erosion(mask)
    assert (image[core][:, 1] > 0.6).all()
    assert (image[core][:, 0] < 0.1).all()


def test_a_smaller_scale_is_a_smaller_defect_in_the_same_place() -> None:
    picture = draw_object("round_plate", (96, 96), np.random.default_rng(3))
    small, usual = (
        add_defect("stain", picture, np.random.default_rng(5), scale=scale)[1] for scale in (0.4, 1.0)
    )
    assert 12 <= small.sum() < 0.6 * usual.sum()
    assert usual[small].all()
