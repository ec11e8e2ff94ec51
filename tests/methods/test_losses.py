"""Focal and dice against their formulas, pixel by pixel."""

import math

import pytest
import torch

from pipeline.methods.losses import dice, focal

from .reference import focal_dice


def batch(images: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(2)
    abnormal = torch.rand(images, 9, 7, generator=generator)
    masks = torch.rand(images, 9, 7, generator=generator) < 0.2
    return torch.stack([1 - abnormal, abnormal], dim=1), masks


@pytest.mark.parametrize("images", [1, 3])
def test_parts_match_the_formulas(images: int) -> None:
    maps, masks = batch(images)
    expected = focal_dice(maps[:, 0].double(), maps[:, 1].double(), masks)
    assert focal(maps, masks).item() == pytest.approx(expected["focal"].item(), rel=1e-5)
    assert dice(maps[:, 1], masks).item() == pytest.approx(expected["dice_abnormal"].item(), rel=1e-5)
    assert dice(maps[:, 0], ~masks).item() == pytest.approx(expected["dice_normal"].item(), rel=1e-5)


def test_one_pixel_by_hand() -> None:
    maps = torch.tensor([0.25, 0.75]).view(1, 2, 1, 1)
    p = (1 - 1e-5) * 0.75 + 1e-5 * 0.25 + 1e-5
    assert focal(maps, torch.ones(1, 1, 1, dtype=torch.bool)).item() == pytest.approx(
        -((1 - p) ** 2) * math.log(p)
    )
    assert dice(maps[:, 1], torch.ones(1, 1, 1, dtype=torch.bool)).item() == pytest.approx(1 - 2.5 / 2.75)


def test_dice_is_a_mean_over_images_not_over_pixels() -> None:
    maps = torch.zeros(2, 4, 4)
    masks = torch.zeros(2, 4, 4, dtype=torch.bool)
    masks[1] = True
    assert dice(maps, masks).item() == pytest.approx((0 + (1 - 1 / 17)) / 2)


def test_certainty_stays_finite() -> None:
    maps = torch.tensor([1.0, 0.0]).view(1, 2, 1, 1)
    for anomalous in (False, True):
        assert math.isfinite(focal(maps, torch.full((1, 1, 1), anomalous)).item())
