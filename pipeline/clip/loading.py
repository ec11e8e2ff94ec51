"""From a `TowerSpec` to a frozen `Clip`, its position embeddings carried to the grid of its input.

All is float32, but for the image blocks of a tower of lower precision.
"""

from collections.abc import Mapping
from math import isqrt
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from pipeline.clip.architecture import build_model, read_config
from pipeline.clip.model import Clip
from pipeline.clip.spec import TowerSpec
from pipeline.clip.vision import VisionTower
from pipeline.clip.weights import read_state_dict
from pipeline.errors import ParamsError, WeightsError


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


def load_clip(spec: TowerSpec, device: str = "cpu", state_dict: Mapping[str, Tensor] | None = None) -> Clip:
    """Load a tower: frozen, in evaluation mode, in the spec's precision whatever the file holds.

    Args:
        spec: Model, weights and rules.
        device: A torch device.
        state_dict: Weights that somebody has read already; `spec.weights` is then left alone.

    Raises:
        ParamsError: the spec asks for a model or a size that cannot be.
        WeightsError: the weights are missing, damaged or of another model.
    """
    config = read_config(spec.model)
    state = dict(read_state_dict(spec.model, spec.weights) if state_dict is None else state_dict)
    model = build_model(config, spec.activation, device="meta")
    _check_fit(model, state, spec)
    model.load_state_dict({name: tensor.float() for name, tensor in state.items()}, assign=True)
    model.attn_mask = (
        None  # holds no values on `meta`; the passes of this package ask for a causal mask by name
    )
    model = model.to(device).eval().requires_grad_(False)
    _lower_blocks(model.visual, getattr(torch, spec.precision))
    grid = spec.image_size // int(model.visual.patch_size[0])
    if grid < 1:
        raise ParamsError(f"towers.{spec.name}.image_size: {spec.image_size} px are less than one patch")
    positions = fit_positions(model.visual.positional_embedding, grid, spec)
    return Clip(spec, config, model, VisionTower(model.visual, positions, grid))


def _lower_blocks(visual: Any, dtype: torch.dtype) -> None:
    """Put the matrices of the image blocks into `dtype`; their layer norms stay float32."""
    for block in visual.transformer.resblocks:
        block.attn.to(dtype)
        block.mlp.to(dtype)


def _check_fit(model: Any, state: Mapping[str, Tensor], spec: TowerSpec) -> None:
    expected = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in state.items()}
    wrong = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
    if wrong:
        name, shown = wrong[0], ascii(wrong[0])[1:-1]
        raise WeightsError(
            f"{spec.weights} does not fit model {spec.model}: {shown:.80} is {found.get(name, 'missing')},"
            f" expected {expected.get(name, 'no such weight')} ({len(wrong)} weights differ)"
        )
