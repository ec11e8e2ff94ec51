"""The six methods written out image by image in float64 from their descriptions, on `clip.reference`.

An independent computation: it takes state dicts, token ids and learnt vectors, and shares no code with the
package.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from torch import Tensor

from tests.clip.reference import (
    ImagePass,
    bilinear_positions,
    doubled,
    embed,
    layer_norm,
    text_features,
    unit,
)
from tests.clip.towers import Tower

SOT, X, PERIOD, EOT = 49406, 343, 269, 49407
OBJECT, DAMAGED = [14115, PERIOD], [13568, 14115, PERIOD]


def prompt_ids(words: Sequence[int], n_ctx: int) -> list[int]:
    return [SOT, *[X] * n_ctx, *words, EOT]


def text_side(
    tower: Tower, ids: Sequence[Sequence[int]], context: Tensor | None = None, deep: Sequence[Tensor] = ()
) -> Tensor:
    """Features of prompts, not normalised: (n, D)."""
    return text_features(
        ids,
        doubled(tower.state),
        blocks=tower.shape.text_blocks,
        heads=tower.shape.text_heads,
        activation=tower.clip.spec.activation,
        context=None if context is None else context.double(),
        deep=[tokens.double() for tokens in deep],
    )


@dataclass(frozen=True)
class Seen:
    """One image's pass."""

    steps: ImagePass
    tokens: Tensor
    grid: int


def look(tower: Tower, image: Tensor, start: int | None = None, kinds: Sequence[str] = ("vv",)) -> Seen:
    w = doubled(tower.state)
    grid = tower.size // tower.shape.patch
    rows = w["visual.positional_embedding"]
    if tower.clip.spec.position == "bicubic":
        native = math.isqrt(len(rows) - 1)
        square = rows[1:].T.reshape(1, -1, native, native)
        resized = torch.nn.functional.interpolate(square, size=(grid, grid), mode="bicubic", antialias=True)
        positions = torch.cat([rows[:1], resized[0].flatten(1).T])
    else:
        positions = bilinear_positions(rows, grid)
    tokens = embed(image, w, tower.shape.patch, positions)
    return Seen(run(tower, tokens, start, kinds), tokens, grid)


def run(tower: Tower, tokens: Tensor, start: int | None = None, kinds: Sequence[str] = ("vv",)) -> ImagePass:
    return ImagePass(
        tokens,
        doubled(tower.state),
        blocks=tower.shape.blocks,
        head_width=tower.shape.head_width,
        activation=tower.clip.spec.activation,
        start=start,
        kinds=kinds,
    )


def softmax2(features: Tensor, normal: Tensor, abnormal: Tensor, temperature: float) -> Tensor:
    """Both probabilities, normal first, from features (..., D) and normalised text."""
    cosines = torch.stack([unit(features) @ normal, unit(features) @ abnormal], dim=-1) / temperature
    powers = torch.exp(cosines - cosines.amax(-1, keepdim=True))
    return powers / powers.sum(-1, keepdim=True)


def upsampled(grid: Tensor, size: int, *, corners: bool = False) -> Tensor:
    return torch.nn.functional.interpolate(
        grid[None, None], size=(size, size), mode="bilinear", align_corners=corners
    )[0, 0]


def paper_map(layers: Sequence[Tensor], size: int, sigma: float) -> NDArray[np.float64]:
    """Sum of the upsampled maps of each layer's patch probabilities (g², 2), smoothed by SciPy."""
    total = torch.zeros(size, size, dtype=torch.float64)
    for patches in layers:
        side = math.isqrt(len(patches))
        normal, abnormal = (upsampled(patches[:, channel].reshape(side, side), size) for channel in (0, 1))
        total = total + (abnormal + 1 - normal) / 2
    return np.asarray(gaussian_filter(total.numpy(), sigma=sigma))


def harmonic_window_map(tower: Tower, seen: Seen, text: tuple[Tensor, Tensor], z: float) -> Tensor:
    """WinCLIP's map before upsampling, window by window: (g, g)."""
    w, grid = doubled(tower.state), seen.grid
    scales = []
    for size in (2, 3):
        inverse, count = torch.zeros(grid, grid).double(), torch.zeros(grid, grid).double()
        for top in range(grid - size + 1):
            for left in range(grid - size + 1):
                inside = [1 + (top + y) * grid + left + x for y in range(size) for x in range(size)]
                last = run(tower, seen.tokens[[0, *inside]]).o[-1][0]
                feature = layer_norm(last, w, "visual.ln_post") @ w["visual.proj"]
                p = softmax2(feature, *text, 0.07)[1]
                inverse[top : top + size, left : left + size] += 1 / p
                count[top : top + size, left : left + size] += 1
        scales.append(count / inverse)
    return 3 / (1 / scales[0] + 1 / scales[1] + 1 / z)


def focal_dice(normal: Tensor, abnormal: Tensor, masks: Tensor) -> dict[str, Tensor]:
    """Loss parts over a batch of maps (B, S, S), pixel formula by pixel formula."""
    y = masks.double()
    right = y * abnormal + (1 - y) * normal
    p = (1 - 1e-5) * right + 1e-5 * (1 - right) + 1e-5
    focal = (-((1 - p) ** 2) * torch.log(p)).mean()

    def dice(maps: Tensor, target: Tensor) -> Tensor:
        shares = [
            (2 * (m * t).sum() + 1) / (m.sum() + t.sum() + 1) for m, t in zip(maps, target, strict=True)
        ]
        return 1 - torch.stack(shares).mean()

    return {"focal": focal, "dice_abnormal": dice(abnormal, y), "dice_normal": dice(normal, 1 - y)}
