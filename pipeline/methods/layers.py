"""Layers of learnt methods, made without drawing a number and then drawn from the generator of a training.

torch draws the initial values of a layer from its global generator while the layer is made. A method must
not: its parameters follow from a seed alone.
"""

from collections.abc import Callable
from math import exp, isqrt
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

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


@torch.no_grad()
def draw_normal(module: nn.Module, generator: torch.Generator, std: float) -> None:
    """Weights of every linear layer in `module` from N(0, std²), biases 0."""
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            layer.weight.copy_(torch.randn(layer.weight.shape, generator=generator) * std)
            if layer.bias is not None:
                layer.bias.zero_()


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


class PatchAttention(nn.Module):
    """Texts that attend to the patches of an image, block by block (Bayes-PFL's residual cross-attention).

    Keys and values are the same: patches in the joint space, normalised. Queries of all heads are scaled by
    the whole width, not by a head's.
    """

    def __init__(self, width: int, joint: int, *, blocks: int, heads: int) -> None:
        super().__init__()
        self._heads = heads
        self.query = nn.Linear(joint, joint)
        self.project = nn.ModuleList(nn.Linear(width, joint, bias=False) for _ in range(blocks))

    def forward(self, text: Tensor, patches: Tensor, block: int) -> tuple[Tensor, Tensor]:
        """Texts (B, n, D), normalised, and raw patches (B, N, width): both in the joint space, normalised."""
        keys = normalize(self.project[block](patches), dim=-1)
        queries, split = (each.unflatten(-1, (self._heads, -1)) for each in (self.query(text), keys))
        weights = (torch.einsum("bnhd,bmhd->bhnm", queries, split) * text.shape[-1] ** -0.5).softmax(dim=-1)
        seen = torch.einsum("bhnm,bmhd->bnhd", weights, split).flatten(2)
        return normalize(text + seen, dim=-1), keys


class PatchPooling(nn.Module):
    """One vector of an image from the patches of several blocks: a weighted mean, its weights learnt."""

    def __init__(self, width: int, hidden: int, joint: int) -> None:
        super().__init__()
        self.mix = nn.Linear(width, hidden)
        self.weight = nn.Linear(hidden, 1)
        self.out = nn.Linear(hidden, joint)

    def forward(self, patches: Tensor) -> Tensor:
        """Patches (B, N, width), those of all blocks side by side: (B, joint)."""
        mixed = self.mix(patches)
        pooled = (self.weight(mixed).softmax(dim=1) * mixed).sum(1)
        output: Tensor = self.out(pooled)
        return output


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
