"""Augmentation: masks follow their pictures, chance follows the generator, and shares are those asked for."""

import numpy as np
import pytest
import torch

from pipeline.methods.augment import AugmentedTraining, augmented
from pipeline.methods.auxiliary import AuxiliarySet

SIZE = 40


def framed() -> AuxiliarySet:
    """Grey pictures with a bright square, which is the mask of the anomalous ones."""
    images = np.full((6, SIZE, SIZE, 3), 60, np.uint8)
    images[:, 10:20, 14:30] = 200
    labels = np.array([0, 1, 1, 0, 1, 0])
    masks = np.zeros((6, SIZE, SIZE), np.uint8)
    masks[labels == 1, 10:20, 14:30] = 1
    return AuxiliarySet("mvtec", images, masks, labels, ["cup"] * 6)


def test_a_mask_follows_its_picture() -> None:
    """Whatever is drawn, what is bright is what is marked, but for edges and what comes in mirrored."""
    picture, moved = framed().picture(1), 0
    for seed in range(40):
        new = augmented(picture, 0.5, torch.Generator().manual_seed(seed))
        if new is None:
            continue
        image, mask = new
        assert image.shape == (SIZE, SIZE, 3)
        assert image.dtype == np.uint8
        assert mask.dtype == np.bool_
        bright = image.mean(-1) > (image.max() / 2 + image.min() / 2)
        assert (bright & mask).sum() / (bright | mask).sum() > 0.8
        moved += not np.array_equal(mask, picture[1])
    assert moved > 15


def test_augmentation_is_drawn_from_the_given_generator_at_its_share() -> None:
    auxiliary, training = framed(), AugmentedTraining(mosaic=0.4)
    before = torch.random.get_rng_state()
    rows = list(range(6)) * 25
    first, again = (training.redraw(rows, auxiliary, torch.Generator().manual_seed(3)) for _ in range(2))
    assert first.keys() == again.keys()
    assert all(np.array_equal(first[place][0], again[place][0]) for place in first)
    assert torch.equal(before, torch.random.get_rng_state())
    assert len(first) / len(rows) == pytest.approx(training.redrawn, abs=0.02)
    normal = [place for place in first if auxiliary.labels[rows[place]] == 0]
    marked = sum(first[place][1].any() for place in normal)
    assert marked / len(normal) == pytest.approx(0.4, abs=0.15), "mosaics are of anomalous images alone"
    assert AugmentedTraining(augment=0).redraw(rows, auxiliary, torch.Generator()) == {}
