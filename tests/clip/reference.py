"""CLIP's towers and AnomalyCLIP's changes to them, written out in float64 from their descriptions.

An independent computation: it takes a state dict and shares no code with the package.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

State = Mapping[str, Tensor]


def doubled(state: State) -> dict[str, Tensor]:
    """The weights in float64; the large token embedding stays as it is and is cast row by row."""
    return {
        name: value if name == "token_embedding.weight" else value.double() for name, value in state.items()
    }


def layer_norm(x: Tensor, w: State, name: str) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    variance = (centred**2).mean(-1, keepdim=True)
    return centred / torch.sqrt(variance + 1e-5) * w[f"{name}.weight"] + w[f"{name}.bias"]


def activate(x: Tensor, activation: str) -> Tensor:
    if activation == "quickgelu":
        return x / (1 + torch.exp(-1.702 * x))
    return 0.5 * x * (1 + torch.erf(x / math.sqrt(2)))


def attend(
    normed: Tensor, w: State, name: str, head_width: int, kind: str = "qk", *, causal: bool = False
) -> Tensor:
    """Attention of sequences (..., L, W), head by head; `kind` names the two sides of the similarity."""
    width = normed.shape[-1]
    packed = normed @ w[f"{name}.in_proj_weight"].T + w[f"{name}.in_proj_bias"]
    parts = {"q": packed[..., :width], "k": packed[..., width : 2 * width], "v": packed[..., 2 * width :]}
    heads = []
    for start in range(0, width, head_width):
        left, right, value = (
            parts[side][..., start : start + head_width] for side in (kind[0], kind[1], "v")
        )
        logits = left @ right.mT / math.sqrt(head_width)
        if causal:
            later = torch.ones_like(logits).triu(1).bool()
            logits = logits.masked_fill(later, -math.inf)
        heads.append(torch.softmax(logits, dim=-1) @ value)
    return torch.cat(heads, -1) @ w[f"{name}.out_proj.weight"].T + w[f"{name}.out_proj.bias"]


def mlp(x: Tensor, w: State, name: str, activation: str) -> Tensor:
    hidden = activate(x @ w[f"{name}.c_fc.weight"].T + w[f"{name}.c_fc.bias"], activation)
    return hidden @ w[f"{name}.c_proj.weight"].T + w[f"{name}.c_proj.bias"]


def block(
    x: Tensor, w: State, name: str, head_width: int, activation: str, *, causal: bool = False
) -> Tensor:
    x = x + attend(layer_norm(x, w, f"{name}.ln_1"), w, f"{name}.attn", head_width, causal=causal)
    return x + mlp(layer_norm(x, w, f"{name}.ln_2"), w, f"{name}.mlp", activation)


def bilinear_positions(positions: Tensor, grid: int) -> Tensor:
    """Rows 1.. interpolated cell by cell, half-pixel centres, edges clamped."""
    native = math.isqrt(len(positions) - 1)
    rows = [positions[0]]
    for row in range(grid):
        for column in range(grid):
            y = max((row + 0.5) * native / grid - 0.5, 0.0)
            x = max((column + 0.5) * native / grid - 0.5, 0.0)
            total = torch.zeros_like(positions[0])
            for yy, wy in ((int(y), 1 - y % 1), (min(int(y) + 1, native - 1), y % 1)):
                for xx, wx in ((int(x), 1 - x % 1), (min(int(x) + 1, native - 1), x % 1)):
                    total = total + wy * wx * positions[1 + yy * native + xx]
            rows.append(total)
    return torch.stack(rows)


def embed(image: Tensor, w: State, patch: int, positions: Tensor) -> Tensor:
    """Tokens of one uint8 image (S, S, 3) before ln_pre: (1 + g², W)."""
    mean = torch.tensor([0.48145466, 0.4578275, 0.40821073], dtype=torch.float64)
    std = torch.tensor([0.26862954, 0.26130258, 0.27577711], dtype=torch.float64)
    pixels = (image.double() / 255 - mean) / std
    kernel = w["visual.conv1.weight"]
    tokens = [w["visual.class_embedding"]]
    grid = image.shape[0] // patch
    for row in range(grid):
        for column in range(grid):
            cut = pixels[row * patch : (row + 1) * patch, column * patch : (column + 1) * patch]
            tokens.append((kernel * cut.permute(2, 0, 1)).sum((1, 2, 3)))
    return torch.stack(tokens) + positions


class ImagePass:
    """All intermediate results of one image.

    `o[l]` is the output of block l of CLIP's own path, `o[0]` the input of block 1; `streams[kind][l]` that
    of the extra path which starts at block `start`.
    """

    def __init__(
        self,
        tokens: Tensor,
        w: State,
        *,
        blocks: int,
        head_width: int,
        activation: str,
        start: int | None = None,
        kinds: Sequence[str] = ("vv", "qq", "kk"),
    ) -> None:
        self._w = w
        x = layer_norm(tokens, w, "visual.ln_pre")
        self.o = [x]
        self.streams: dict[str, dict[int, Tensor]] = {kind: {} for kind in kinds}
        for number in range(1, blocks + 1):
            name = f"visual.transformer.resblocks.{number - 1}"
            if start is not None and number >= start:
                normed = layer_norm(x, w, f"{name}.ln_1")
                for kind, outputs in self.streams.items():
                    before = outputs[number - 1] if number > start else x
                    outputs[number] = before + attend(normed, w, f"{name}.attn", head_width, kind)
            x = block(x, w, name, head_width, activation)
            self.o.append(x)

    def head(self, *, ln_post: bool) -> Tensor:
        token = self.o[-1][0]
        return (layer_norm(token, self._w, "visual.ln_post") if ln_post else token) @ self._w["visual.proj"]

    def projected(self, tokens: Tensor) -> Tensor:
        return layer_norm(tokens[1:], self._w, "visual.ln_post") @ self._w["visual.proj"]


def text_features(
    ids: Sequence[Sequence[int]],
    w: State,
    *,
    blocks: int,
    heads: int,
    activation: str,
    context: Tensor | None = None,
    deep: Sequence[Tensor] = (),
) -> Tensor:
    """Features of prompts over all 77 positions, read at the largest token id; not normalised: (n, D).

    `context` (n, n_ctx, W) stands in for the embeddings from position 1 on.
    """
    padded = torch.tensor([[*prompt, *[0] * (77 - len(prompt))] for prompt in ids])
    x = w["token_embedding.weight"][padded].double()
    if context is not None:
        x = torch.cat([x[:, :1], context, x[:, 1 + context.shape[1] :]], dim=1)
    x = x + w["positional_embedding"]
    head_width = x.shape[-1] // heads
    for number in range(1, blocks + 1):
        if 2 <= number < 2 + len(deep):
            rounded = deep[number - 2].to(torch.float16).to(x.dtype)
            x = torch.cat([x[:, :1], rounded.expand(len(x), -1, -1), x[:, 1 + len(rounded) :]], dim=1)
        x = block(x, w, f"transformer.resblocks.{number - 1}", head_width, activation, causal=True)
    x = layer_norm(x, w, "ln_final")
    ends = [int(prompt.argmax()) for prompt in padded]
    return torch.stack([row[end] for row, end in zip(x, ends, strict=True)]) @ w["text_projection"]


def unit(x: Tensor) -> Tensor:
    return x / (x**2).sum(-1, keepdim=True).sqrt()


def close(actual: Tensor, expected: Tensor | np.ndarray, tolerance: float = 1e-5) -> None:
    """Assert equality within `tolerance`, relative to the largest expected value where that is above 1."""
    wanted = torch.as_tensor(expected).double()
    assert actual.shape == wanted.shape
    scale = max(1.0, float(wanted.abs().max()))
    worst = float((actual.double() - wanted).abs().max()) / scale
    assert worst <= tolerance, f"differs by {worst:.2e} of {scale:.3g}"
