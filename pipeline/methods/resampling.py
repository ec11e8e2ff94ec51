"""Bilinear upsampling and Gaussian smoothing as matrices, applied to rows and columns alike.

Both are linear and separable, so a map is A·grid·Aᵀ. That is deterministic on every device, differentiable,
and lets upsampling and smoothing be one product, made once for a device.
"""

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_TRUNCATE = 4.0  # SciPy's default: the kernel reaches this many σ


@lru_cache(maxsize=64)
def upsampling_matrix(source: int, target: int, *, align_corners: bool) -> NDArray[np.float64]:
    """Weights of bilinear interpolation along one axis, as torch's `interpolate` has it: (target, source)."""
    index = np.arange(target, dtype=np.float64)
    if align_corners:
        position = index * (source - 1) / max(target - 1, 1)
    else:
        position = np.clip((index + 0.5) * source / target - 0.5, 0, None)
    low = position.astype(np.int64)
    high = np.minimum(low + 1, source - 1)
    share = position - low
    matrix = np.zeros((target, source))
    rows = np.arange(target)
    np.add.at(matrix, (rows, low), 1 - share)
    np.add.at(matrix, (rows, high), share)
    return matrix


@lru_cache(maxsize=64)
def smoothing_matrix(size: int, sigma: float) -> NDArray[np.float64]:
    """Weights of a Gaussian filter along one axis, as SciPy's with mode `reflect`: (size, size).

    The borders repeat mirrored, the edge sample included (d c b a | a b c d | d c b a), as often as the
    kernel needs.
    """
    radius = int(_TRUNCATE * sigma + 0.5)
    offsets = np.arange(-radius, radius + 1)
    kernel = np.exp(-0.5 * (offsets / sigma) ** 2) if sigma > 0 else np.ones(1)
    kernel /= kernel.sum()
    place = (np.arange(size)[:, None] + offsets) % (2 * size)
    place = np.where(place < size, place, 2 * size - 1 - place)
    matrix = np.zeros((size, size))
    np.add.at(matrix, (np.arange(size)[:, None], place), np.broadcast_to(kernel, place.shape))
    return matrix


@lru_cache(maxsize=64)
@torch.inference_mode(mode=False)  # training, too, multiplies with what evaluation has left here
def _weights(
    sides: tuple[int, int], sigma: float, dtype: torch.dtype, device: torch.device, *, align_corners: bool
) -> Tensor:
    """Upsampling from one side to the other, then smoothing, as one matrix that stays on its device."""
    matrix = upsampling_matrix(*sides, align_corners=align_corners)
    if sigma > 0:
        matrix = smoothing_matrix(sides[1], sigma) @ matrix
    return torch.from_numpy(matrix).to(device, dtype)


def _apply(grids: Tensor, size: int, sigma: float, *, align_corners: bool) -> Tensor:
    sides = (grids.shape[-1], size)
    weights = _weights(sides, sigma, grids.dtype, grids.device, align_corners=align_corners)
    return weights @ grids @ weights.T


def upsample(grids: Tensor, size: int, *, align_corners: bool = False) -> Tensor:
    """Bilinear upsampling of (..., g, g) to (..., size, size)."""
    return _apply(grids, size, 0.0, align_corners=align_corners)


def upsample_smooth(grids: Tensor, size: int, sigma: float) -> Tensor:
    """`upsample`, then a Gaussian of σ pixels of the result, in one product; σ 0 smooths nothing."""
    return _apply(grids, size, sigma, align_corners=False)
