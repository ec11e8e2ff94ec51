"""Layers of learnt methods, made without drawing a number and then drawn from the generator of a training.

torch draws the initial values of a layer from its global generator while the layer is made. A method must
not: its parameters follow from a seed alone.
"""

from collections.abc import Callable
from math import exp, isqrt
from typing import TypeVar

import torch
from torch import Tensor, nn

from pipeline.clip.architecture import mix

_Module = TypeVar("_Module", bound=nn.Module)


def undrawn(make: Callable[[], _Module], device: torch.device) -> _Module:
    """A module on `device` whose values are anything; draw them before use."""
    with torch.device("meta"):
        module = make()
    return module.to_empty(device=device)


@torch.no_grad()
def draw_uniform(layer: nn.Module, generator: torch.Generator) -> None:
    """Weight and bias of a linear layer from U(−1/√n, 1/√n), n its inputs: torch's default."""
    parameters = list(layer.parameters())
    bound = parameters[0].shape[1] ** -0.5
    for parameter in parameters:
        uniform = torch.rand(parameter.shape, generator=generator)
        parameter.copy_((2 * uniform - 1) * bound)


class SelfAttention(nn.Module):
    """LayerNorm and one multi-head attention of a sequence to itself, without a residual."""

    def __init__(self, width: int, heads: int, head_width: int) -> None:
        super().__init__()
        self._heads = heads
        self.norm = nn.LayerNorm(width)
        self.to_q, self.to_k, self.to_v = (nn.Linear(width, heads * head_width, bias=False) for _ in range(3))
        self.out_proj = nn.Linear(heads * head_width, width)

    def reset(self, generator: torch.Generator) -> None:
        """Draw the linear layers as torch does by default; the norm starts with weight 1 and bias 0."""
        self.norm.reset_parameters()
        for layer in (self.to_q, self.to_k, self.to_v, self.out_proj):
            draw_uniform(layer, generator)

    def forward(self, x: Tensor) -> Tensor:
        """Tokens (B, L, width), to the same shape."""
        normed, (batch, length, _) = self.norm(x), x.shape
        q, k, v = (
            layer(normed).view(batch, length, self._heads, -1).transpose(1, 2)
            for layer in (self.to_q, self.to_k, self.to_v)
        )
        return mix(self, (q, k, v))


def neighbourhood(tokens: Tensor, side: int, sigma: float) -> Tensor:
    """Weighted mean over the square of `side` patches around each patch; outside the image are zeros.

    Args:
        tokens: (B, 1 + g², W), class token first, which stays as it is.
        side: Odd; 1 leaves all tokens as they are.
        sigma: Of the Gaussian weights, in patches; they sum to 1 over the whole square.
    """
    if side == 1:
        return tokens
    batch, length, width = tokens.shape
    grid = isqrt(length - 1)
    place = torch.arange(grid, device=tokens.device)
    distance = place[:, None] - place
    whole = sum(exp(-0.5 * (offset / sigma) ** 2) for offset in range(-(side // 2), side // 2 + 1))
    weights = torch.exp(-0.5 * (distance / sigma) ** 2) * (distance.abs() <= side // 2) / whole
    square = tokens[:, 1:].reshape(batch, grid, grid, width)
    mean = torch.einsum("yi,xj,bijw->byxw", weights, weights, square)
    return torch.cat([tokens[:, :1], mean.flatten(1, 2)], dim=1)
