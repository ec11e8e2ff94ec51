"""The image tower: one pass over the blocks, read at the taps that somebody asked for.

Extra attention streams ride on the same blocks and share their projections; a stream that no tap reads is not
computed, and blocks above the highest tap are not run.
"""

from collections import defaultdict
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from pipeline.clip.architecture import feed_forward, mix, project, residual_block
from pipeline.clip.spec import Global, Local, Stream, Tap, Windows

# Of CLIP's image normalisation, as open_clip and the reference codes have it.
_MEAN = (0.48145466, 0.4578275, 0.40821073)
_STD = (0.26862954, 0.26130258, 0.27577711)
_WINDOW_TOKENS = 1 << 15  # of one pass over window sequences: bounds its memory


class VisionTower:
    """The image side of a loaded CLIP.

    Attributes:
        grid: Patches a side.
        depth: Number of blocks.
        width: Channels of the tokens.
    """

    def __init__(self, visual: Any, positions: Tensor, grid: int) -> None:
        self._visual = visual
        self._blocks = list(visual.transformer.resblocks)
        self._positions = positions
        self._mean = torch.tensor(_MEAN, device=positions.device).view(3, 1, 1)
        self._std = torch.tensor(_STD, device=positions.device).view(3, 1, 1)
        self.grid = grid
        self.depth = len(self._blocks)
        self.width = int(positions.shape[1])

    def read(self, images: Tensor, taps: Iterable[Tap]) -> dict[Tap, Tensor]:
        """What the taps read from uint8 images (B, S, S, 3)."""
        tokens = self._embed(images)
        wanted = list(taps)
        features: dict[Tap, Tensor] = {}
        if any(not isinstance(tap, Windows) for tap in wanted):
            features |= self._read_blocks(self._visual.ln_pre(tokens), wanted)
        for tap in wanted:
            if isinstance(tap, Windows):
                features[tap] = self._read_windows(tokens, tap.size)
        return features

    def _embed(self, images: Tensor) -> Tensor:
        """Class token and patches with positions, before ln_pre: (B, 1 + g², W)."""
        pixels = images.permute(0, 3, 1, 2).to(torch.float32).div(255)
        patches = self._visual.conv1((pixels - self._mean) / self._std).flatten(2).transpose(1, 2)
        first = self._visual.class_embedding.expand(len(images), 1, -1)
        return torch.cat([first, patches], dim=1) + self._positions

    def _read_blocks(self, x: Tensor, taps: list[Tap]) -> dict[Tap, Tensor]:
        read_at: dict[int, list[Global | Local]] = defaultdict(list)
        for tap in taps:
            if not isinstance(tap, Windows):
                read_at[tap.layer or self.depth].append(tap)
        streams = _Streams(tap for tap in taps if isinstance(tap, Local))
        features: dict[Tap, Tensor] = {}
        for number, block in enumerate(self._blocks[: max(read_at)], start=1):
            qkv = project(block.attn, block.ln_1(x))
            streams.advance(number, block, x, qkv)
            x = x + mix(block.attn, qkv)
            x = x + feed_forward(block, x)
            for tap in read_at[number]:
                if isinstance(tap, Global):
                    features[tap] = self._head(x, tap)
                else:
                    features[tap] = self._tokens(x if tap.stream == "qk" else streams.tokens(tap), tap)
        return features

    def _head(self, x: Tensor, tap: Global) -> Tensor:
        token: Tensor = self._visual.ln_post(x[:, 0]) if tap.ln_post else x[:, 0]
        return token @ self._visual.proj if tap.projected else token

    def _tokens(self, tokens: Tensor, tap: Local) -> Tensor:
        if tap.projected:
            tokens = self.to_joint(tokens)
        elif tap.normed:
            tokens = self._visual.ln_post(tokens)
        return tokens if tap.class_token else tokens[:, 1:]

    def to_joint(self, tokens: Tensor) -> Tensor:
        """ln_post and the projection to the joint space, (..., width) to (..., D); differentiable."""
        output: Tensor = self._visual.ln_post(tokens) @ self._visual.proj
        return output

    def _read_windows(self, tokens: Tensor, size: int) -> Tensor:
        """Class tokens of one pass a window (WinCLIP section 4.2, as its public code has it)."""
        windows = window_patches(self.grid, size, tokens.device)
        patches = tokens[:, 1:][:, windows]
        first = tokens[:, :1].unsqueeze(1).expand(-1, len(windows), -1, -1)
        sequences = torch.cat([first, patches], dim=2).flatten(0, 1)
        chunks = torch.split(sequences, max(1, _WINDOW_TOKENS // sequences.shape[1]))
        embedded = torch.cat([self._embed_window(chunk) for chunk in chunks])
        return embedded.view(len(tokens), len(windows), -1)

    def _embed_window(self, sequences: Tensor) -> Tensor:
        x: Tensor = self._visual.ln_pre(sequences)
        for block in self._blocks:
            x = residual_block(block, x)
        return self.to_joint(x[:, 0])


@lru_cache
@torch.inference_mode(mode=False)  # as `pipeline.methods.readout`
def window_patches(grid: int, size: int, device: torch.device) -> Tensor:
    """Patch numbers of every window, row-major: ((grid - size + 1)², size²); they stay on their device."""
    numbers = torch.arange(grid * grid).view(grid, grid)
    return numbers.unfold(0, size, 1).unfold(1, size, 1).flatten(2).flatten(0, 1).to(device)


class _Streams:
    """The extra attention streams of one pass, each up to the last block at which a tap reads it."""

    def __init__(self, taps: Iterable[Local]) -> None:
        self._last: dict[tuple[Stream, int], int] = {}
        self._tokens: dict[tuple[Stream, int], Tensor] = {}
        for tap in taps:
            if tap.stream != "qk":
                key = (tap.stream, tap.start)
                self._last[key] = max(tap.layer, self._last.get(key, 0))

    def tokens(self, tap: Local) -> Tensor:
        return self._tokens[tap.stream, tap.start]

    def advance(self, number: int, block: Any, x: Tensor, qkv: tuple[Tensor, Tensor, Tensor]) -> None:
        """Add block `number`'s own-similarity attention; `x` is the original stream before the block."""
        active = [key for key, last in self._last.items() if key[1] <= number <= last]
        q, k, v = qkv
        own = {"qq": q, "kk": k, "vv": v}
        added = {
            stream: mix(block.attn, (own[stream], own[stream], v)) for stream in {key[0] for key in active}
        }
        for key in active:
            self._tokens[key] = self._tokens.get(key, x) + added[key[0]]
