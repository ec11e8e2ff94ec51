"""Arrays as they come in (NumPy, torch on CPU or GPU, lists) to checked NumPy arrays, and scores to keys.

torch is never imported here: a tensor is known by its `detach`, so that metrics work without torch.

All counting works on keys, float32 scores as unsigned integers that sort in the same order: comparing,
cutting off low bits and taking ranges are then integer operations, and one IEEE rule holds everywhere: both
zeros tie, denormals and negatives rank by value, nothing is squashed or rescaled. The key is 2^31 plus or
minus the bits of the magnitude, so that low bits which no score uses (small integers, scores that were half
precision once) are zero in every key.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.errors import ZsadError

Keys = npt.NDArray[np.uint32]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_SIGN = np.uint32(1 << 31)
_MAGNITUDE = np.int32((1 << 31) - 1)
_MAX_PIXELS = 1 << 25
"""Largest map: a region weight (`pipeline.metrics.regions`) is 38 bits, a pixel count takes the other 25."""


def to_numpy(values: Any) -> npt.NDArray[Any]:
    """NumPy view or copy of an array, a sequence of numbers, or a tensor on any device."""
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        if str(values.dtype) == "torch.bfloat16":
            values = values.float()
        values = values.numpy()
    return np.asarray(values)


def map_array(maps: Any) -> npt.NDArray[np.float32]:
    """Anomaly maps as float32 (B, H, W). Wider floats are rounded: maps are ranked as float32.

    Raises:
        ZsadError: not three-dimensional, or an image of more than 2^25 pixels.
    """
    array = to_numpy(maps)
    check_map_shape(array.shape)
    return array.astype(np.float32, copy=False)


def check_map_shape(shape: tuple[int, ...]) -> None:
    """Refuse what is no batch of maps.

    Raises:
        ZsadError: not three-dimensional, or an image of more than 2^25 pixels.
    """
    if len(shape) != 3 or 0 in shape[1:]:
        raise ZsadError(f"anomaly maps must be (images, height, width); got shape {shape}")
    if shape[1] * shape[2] > _MAX_PIXELS:
        raise ZsadError(f"maps of {shape[1]} x {shape[2]} are too large; resize below 2^25 pixels")


def mask_array(masks: Any, names: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Masks as bool (B, H, W).

    Raises:
        ZsadError: not three-dimensional, or a value that is neither 0 nor 1 (naming the image).
    """
    array = to_numpy(masks)
    if array.ndim != 3:
        raise ZsadError(f"masks must be (images, height, width); got shape {array.shape}")
    if array.dtype == np.bool_:
        return array
    binary = array.astype(np.bool_)
    if not (binary == array).all():
        bad = int(np.argmax((binary != array).reshape(len(array), -1).any(1)))
        raise ZsadError(
            f"{image_name(names, bad)}: the mask holds values other than 0 and 1; binarise it first"
        )
    return binary


def image_name(names: Sequence[str], index: int) -> str:
    """How an error names image `index` of a batch."""
    return f"image {names[index]!r}" if index < len(names) else f"image {index} of the batch"


def score_keys(scores: npt.NDArray[np.float32]) -> Keys:
    """Keys of float32 `scores` (any shape): `a < b` as finite scores exactly when `key(a) < key(b)`."""
    bits = np.ascontiguousarray(scores).view(np.int32)
    negative = bits >> 31  # -1 or 0
    offset = bits & _MAGNITUDE
    offset ^= negative
    offset -= negative
    keys = offset.view(np.uint32)
    keys ^= _SIGN
    return keys


def key_scores(keys: Keys) -> npt.NDArray[np.float32]:
    """The scores of `keys`, the inverse of `score_keys`; zero is positive."""
    offset = (keys ^ _SIGN).view(np.int32)
    return np.copysign(np.abs(offset).view(np.float32), offset).astype(np.float32)


def threshold_keys(thresholds: Floats) -> Keys:
    """Keys such that `score > threshold`, compared in float64, means `key(score) > key`.

    Each threshold is rounded down to the nearest float32: no float32 lies between the two.
    """
    nearest = thresholds.astype(np.float32)
    below = np.nextafter(nearest, np.float32(-np.inf))
    return score_keys(np.where(nearest > thresholds, below, nearest))
