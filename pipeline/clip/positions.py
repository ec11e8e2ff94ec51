"""Position embeddings carried from the pretraining grid to the grid of the input."""

from math import isqrt

import torch
from torch import Tensor
from torch.nn import functional

from pipeline.clip.spec import TowerSpec
from pipeline.errors import ParamsError


def fit_positions(positions: Tensor, grid: int, spec: TowerSpec) -> Tensor:
    """Interpolate the rows of the patches; the row of the class token stays as it is.

    Args:
        positions: (1 + n², W), class token first.
        grid: Patches a side of the input.
        spec: Gives the rule.

    Returns:
        (1 + grid², W).

    Raises:
        ParamsError: the rule is `native` and the grids differ.
    """
    native = isqrt(positions.shape[0] - 1)
    if native == grid:
        return positions
    if spec.position == "native":
        raise ParamsError(
            f"towers.{spec.name}.image_size: {spec.image_size} px are {grid} patches a side, the weights have"
            f" {native}; with position: native they must agree"
        )
    square = positions[1:].T.reshape(1, -1, native, native)
    resized = functional.interpolate(
        square,
        size=(grid, grid),
        mode=spec.position,
        align_corners=False,
        antialias=spec.position == "bicubic",
    )
    return torch.cat([positions[:1], resized.flatten(2)[0].T])
