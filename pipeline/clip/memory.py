"""Bytes that a tower's pass takes, from its shapes alone, and how many images fit a GPU at once.

What is read stays float32 whatever the precision of the blocks. `torch.cuda` is asked for the size of the
GPU, not for what is free: the same GPU then takes the same batch, and the last digits of results with it.
"""

from collections.abc import Iterable

import torch

from pipeline.clip.model import Clip
from pipeline.clip.spec import Global, Local, Tap, Windows

_FLOAT = 4  # bytes
_PASS_SHARE = 0.25
"""Of a worker's part of a GPU; as much again may hold the keys of its maps, the rest towers and scores."""


def tap_bytes(clip: Clip, tap: Tap) -> int:
    """Bytes of what a tap reads of an image."""
    grid, width, joint = clip.vision.grid, clip.vision.width, clip.embed_dim
    match tap:
        case Global():
            return (joint if tap.projected else width) * _FLOAT
        case Local():
            return (grid**2 + tap.class_token) * (joint if tap.projected else width) * _FLOAT
        case Windows():
            return (grid - tap.size + 1) ** 2 * joint * _FLOAT


def pass_bytes(clip: Clip, taps: Iterable[Tap]) -> int:
    """Bytes that one image needs in a pass, about.

    Tokens before and after the wide layer, queries, keys, values, the residual, and what the taps keep.
    """
    read = tuple(taps)
    grid = clip.vision.grid
    tokens = [grid**2 + 1]
    tokens += [(grid - tap.size + 1) ** 2 * (tap.size**2 + 1) for tap in read if isinstance(tap, Windows)]
    streams = {(tap.stream, tap.start) for tap in read if isinstance(tap, Local)}
    copies = 2 * clip.mlp_ratio + 3 + 3 + 2 * len(streams)
    return int(max(tokens) * clip.vision.width * copies * _FLOAT) + sum(tap_bytes(clip, tap) for tap in read)


def fitting_batch(clip: Clip, taps: Iterable[Tap], *, share: float | None, most: int) -> int:
    """Images that go through a tower at once: a power of two whose pass fits a GPU, at least 1.

    Args:
        clip: on a CUDA device where there is a `share`.
        taps: what is read.
        share: of the GPU that the worker has, in (0, 1]; None: `most` images, whatever they take.
        most: images, at most.
    """
    if share is None:
        return most
    room = share * _PASS_SHARE * torch.cuda.get_device_properties(clip.device).total_memory
    fits = min(most, int(room / pass_bytes(clip, taps)))
    return 1 << max(0, fits.bit_length() - 1)
