"""Upsampling against torch, smoothing against SciPy, also where the kernel is wider than the map."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from pipeline.methods.readout import upsample, upsample_smooth
from tests.clip.reference import close


def noise(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize(
    ("source", "target"), [(37, 518), (14, 112), (6, 53), (9, 9), (5, 3), (1, 7), (2, 1)]
)
def test_upsampling_is_torchs(source: int, target: int, align_corners: bool) -> None:
    grids = noise(3, source, source)
    expected = torch.nn.functional.interpolate(
        grids[None].double(), size=(target, target), mode="bilinear", align_corners=align_corners
    )[0]
    close(upsample(grids, target, align_corners=align_corners), expected, 2e-6)


@settings(deadline=None, max_examples=40)
@given(size=st.integers(1, 40), sigma=st.floats(0.1, 9))
def test_smoothing_is_scipys(size: int, sigma: float) -> None:
    maps = noise(2, size, size)
    expected = np.stack([gaussian_filter(one.double().numpy(), sigma=sigma) for one in maps])
    close(upsample_smooth(maps, size, sigma), expected, 2e-6)


def test_the_papers_smoothing() -> None:
    maps = noise(1, 518, 518)
    close(upsample_smooth(maps, 518, 4.0)[0], gaussian_filter(maps[0].double().numpy(), sigma=4), 2e-6)


def test_no_sigma_changes_nothing() -> None:
    assert torch.equal(upsample_smooth(noise(2, 11, 11), 11, 0.0), noise(2, 11, 11))


def test_one_product_equals_two_steps() -> None:
    grids = noise(4, 14, 14)
    close(upsample_smooth(grids, 112, 4.0), upsample_smooth(upsample(grids, 112), 112, 4.0), 1e-6)


def test_upsampling_passes_gradients() -> None:
    grids = noise(1, 4, 4).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: upsample(x, 9), (grids,))
