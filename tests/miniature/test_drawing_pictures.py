"""Materials, objects and organs: every kind is a valid picture, repeatable, and unlike the others."""

import numpy as np
import pytest

from pipeline.miniature.drawing import (
    COLOURS,
    OBJECTS,
    ORGANS,
    TEXTURES,
    Look,
    Picture,
    draw_object,
    draw_organ,
    draw_surface,
    ramp,
    random_look,
    texture,
)
from pipeline.miniature.drawing.plane import Image

SIZE = (64, 72)


def check_image(image: Image) -> None:
    assert image.shape == (*SIZE, 3)
    assert image.dtype == np.float32
    assert image.min() >= 0
    assert image.max() <= 1
    assert image.std() > 0.01


def same(one: Picture, other: Picture) -> bool:
    return np.array_equal(one.image, other.image) and np.array_equal(one.region, other.region)


@pytest.mark.parametrize("kind", TEXTURES)
def test_every_texture_fills_a_picture_and_repeats_with_its_seed(kind: str) -> None:
    palette = ramp(COLOURS["green"])
    first, again, other = (
        texture(kind, SIZE, np.random.default_rng(seed), palette=palette) for seed in (1, 1, 2)
    )
    check_image(first)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_the_materials_differ_from_each_other() -> None:
    palette = ramp(COLOURS["grey"], contrast=0.8)
    rows = np.array(
        [texture(kind, SIZE, np.random.default_rng(0), palette=palette).ravel() for kind in TEXTURES]
    )
    apart = np.abs(rows[:, None] - rows[None]).mean(-1)
    assert apart[~np.eye(len(rows), dtype=bool)].min() > 0.01


@pytest.mark.parametrize("kind", OBJECTS)
def test_every_object_lies_inside_its_picture_and_repeats_with_its_seed(kind: str) -> None:
    for seed in range(3):
        picture = draw_object(kind, SIZE, np.random.default_rng(seed))
        check_image(picture.image)
        assert picture.region.shape == SIZE
        assert 0.02 < picture.region.mean() < 0.95
        assert same(picture, draw_object(kind, SIZE, np.random.default_rng(seed)))


@pytest.mark.parametrize("kind", OBJECTS)
def test_the_region_is_where_the_object_is(kind: str) -> None:
    look = Look(ramp((0.9, 0.2, 0.1)), "smooth", ramp((0.1, 0.2, 0.9)), "smooth", grain=0.1)
    picture = draw_object(kind, SIZE, np.random.default_rng(3), look=look)
    red = picture.image[..., 0] > picture.image[..., 2]
    assert (red == picture.region).mean() > 0.97


def test_pictures_of_one_product_are_alike_and_not_equal() -> None:
    look, other = (random_look(np.random.default_rng(seed)) for seed in (5, 6))
    one, two = (draw_object("gear", SIZE, np.random.default_rng(seed), look=look) for seed in (1, 2))
    stranger = draw_object("gear", SIZE, np.random.default_rng(1), look=other)

    def colour(picture: Picture) -> Image:
        return np.asarray(picture.image[picture.region].mean(axis=0), dtype=np.float32)

    assert not np.array_equal(one.image, two.image)
    assert np.abs(colour(one) - colour(two)).max() < 0.1 < np.abs(colour(one) - colour(stranger)).max()


def test_a_surface_is_object_everywhere() -> None:
    assert draw_surface(SIZE, np.random.default_rng(0)).region.all()


@pytest.mark.parametrize("kind", ORGANS)
def test_every_organ_has_tissue_and_no_two_patients_are_equal(kind: str) -> None:
    one, two = (draw_organ(kind, SIZE, np.random.default_rng(seed)) for seed in (1, 2))
    check_image(one.image)
    assert 0.1 < one.region.mean() < 0.99
    assert not same(one, two)
    assert same(one, draw_organ(kind, SIZE, np.random.default_rng(1)))


@pytest.mark.parametrize("kind", ["brain_ct", "brain_mri", "chest"])
def test_radiographs_are_grey(kind: str) -> None:
    image = draw_organ(kind, SIZE, np.random.default_rng(0)).image
    assert np.ptp(image, axis=2).max() < 1e-6
