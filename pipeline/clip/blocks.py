"""Residual attention blocks of open_clip, run step by step so that a pass can branch inside them.

The blocks' own modules do the arithmetic; only the attention is written out, because its projections are
shared by several streams. Matrix products run in the precision of their weights; what they return is added to
a residual stream in float32. `upload` is how everything small gets to where they are.
"""

from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel


def project(attention: Any, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values of `x` (B, L, W), each (B, heads, L, W / heads)."""
    batch, length, width = x.shape
    weight = attention.in_proj_weight
    packed = functional.linear(x.to(weight.dtype), weight, attention.in_proj_bias)
    split = packed.view(batch, length, 3, attention.num_heads, width // attention.num_heads)
    q, k, v = split.permute(2, 0, 3, 1, 4).unbind(0)
    return q, k, v


def mix(attention: Any, qkv: tuple[Tensor, Tensor, Tensor], *, causal: bool = False) -> Tensor:
    """softmax(q kᵀ / √d) v over all heads, then the output projection: (B, L, W)."""
    # The backward pass of CUDA's faster kernels adds in any order; a training has to repeat, bit for bit.
    learns = torch.is_grad_enabled() and qkv[0].requires_grad and qkv[0].is_cuda
    with sdpa_kernel(SDPBackend.MATH) if learns else nullcontext():
        mixed = functional.scaled_dot_product_attention(*qkv, is_causal=causal)
    output: Tensor = attention.out_proj(mixed.transpose(1, 2).flatten(2))
    return output


def feed_forward(block: Any, x: Tensor) -> Tensor:
    """The MLP on a normalised copy of `x` (B, L, W)."""
    output: Tensor = block.mlp(block.ln_2(x).to(block.mlp.c_fc.weight.dtype))
    return output


def upload(values: Tensor, device: torch.device) -> Tensor:
    """`values` of the CPU on `device`, without waiting for what runs there."""
    return values if device.type == "cpu" else pinned(values).to(device, non_blocking=True)


def pinned(values: Tensor) -> Tensor:
    """`values` in memory from which a device copies by itself."""
    return values.pin_memory()


def residual_block(block: Any, x: Tensor, *, causal: bool = False) -> Tensor:
    """One ordinary block: attention and MLP, each on a normalised copy and added back."""
    x = x + mix(block.attn, project(block.attn, block.ln_1(x)), causal=causal)
    return x + feed_forward(block, x)
