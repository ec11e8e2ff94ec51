"""From embeddings to probabilities of normal and abnormal, and from those to scores and maps.

`Readout` is what all methods but WinCLIP and VAND do: a class token and the patch tokens of some blocks. The
functions around it are the arithmetic that every method shares. Upsampling is bilinear, smoothing Gaussian;
both are linear and separable, so a map is A·grid·Aᵀ: deterministic on every device, differentiable, and one
product for both, made once for a device.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from math import isqrt

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import normalize

from pipeline.clip import Features, Global, Local, Tap
from pipeline.methods.base import Scores

MAX_SIGMA = 256.0  # px: a wider Gaussian leaves a map flat, and one without a bound has no end of taps
_TRUNCATE = 4.0  # SciPy's default: the kernel reaches this many σ


def similarities(features: Tensor, text: Tensor) -> Tensor:
    """Cosine similarities to both text features, differentiable.

    Args:
        features: (B, D) or (B, N, D), not normalised.
        text: (2, D), or (B, 2, D) with a text side an image; normalised.

    Returns:
        (B, 2) or (B, N, 2), in [-1, 1], normal first.
    """
    unit = normalize(features, dim=-1)
    if features.dim() == 2:
        return (unit.unsqueeze(1) @ text.mT).squeeze(1)
    return unit @ text.mT


def probabilities(features: Tensor, text: Tensor, temperature: float) -> Tensor:
    """Softmax over both classes of cosine similarity / temperature, in [0, 1]; shapes as `similarities`."""
    return (similarities(features, text) / temperature).softmax(dim=-1)


def to_grid(patches: Tensor) -> Tensor:
    """(B, g·g, C), row-major, to (B, C, g, g)."""
    side = isqrt(patches.shape[1])
    return patches.transpose(1, 2).reshape(len(patches), -1, side, side)


def anomaly_maps(layers: Iterable[Tensor], size: int, sigma: float) -> Tensor:
    """The paper's map (section 3.3): Σ over layers of upsampled ½(1 − S_n) + ½S_a, then Gaussian smoothing.

    Args:
        layers: Patch probabilities, each (B, g·g, 2).
        size: Side of the maps.
        sigma: Of the Gaussian, in pixels.

    Returns:
        (B, size, size), from 0 to the number of layers. Summed before upsampling, which is linear.
    """
    abnormal = [0.5 * (1 - patches[..., 0]) + 0.5 * patches[..., 1] for patches in layers]
    total = torch.stack(abnormal).sum(dim=0)
    return upsample_smooth(to_grid(total.unsqueeze(-1))[:, 0], size, sigma)


@dataclass(frozen=True)
class Readout:
    """Which tokens are read and how their similarities become scores.

    Attributes:
        head: The class token.
        patches: The patch tokens; of several taps of a block the logits are averaged.
        temperature: Of the softmax over the two classes.
        size: Side of the maps.
        sigma: Of the Gaussian on the map, in pixels.
    """

    head: Global
    patches: tuple[Local, ...]
    temperature: float
    size: int
    sigma: float

    @property
    def taps(self) -> frozenset[Tap]:
        """All that is read."""
        return frozenset([self.head, *self.patches])

    def score(self, features: Features, text: Tensor) -> Scores:
        """Abnormal probability of the class token; `patch_layers` upsampled, summed and smoothed.

        Args:
            features: At least `taps`, of B images.
            text: (2, D), normalised, normal first.

        Returns:
            Image scores in [0, 1], maps from 0 to the number of blocks.
        """
        image = probabilities(features[self.head], text, self.temperature)[:, 1]
        return Scores(image, anomaly_maps(self.patch_layers(features, text), self.size, self.sigma))

    def patch_layers(self, features: Features, text: Tensor) -> list[Tensor]:
        """Probabilities of the patches of each block, (B, g·g, 2): softmax of the mean logits of its taps.

        Args:
            features: At least `patches`, of B images.
            text: (2, D), or (B, 2, D) with a text side an image; normalised, normal first.
        """
        logits: dict[int, list[Tensor]] = defaultdict(list)
        for tap in self.patches:
            logits[tap.layer].append(similarities(features[tap], text) / self.temperature)
        return [torch.stack(taps).mean(dim=0).softmax(dim=-1) for taps in logits.values()]


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
