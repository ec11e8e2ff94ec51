"""Arrays as they come in (NumPy, torch on CPU or GPU, lists) to checked NumPy arrays.

torch is never imported here: a tensor is known by its `detach`, so that metrics work without torch.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.errors import ZsadError

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
    if array.ndim != 3 or 0 in array.shape[1:]:
        raise ZsadError(f"anomaly maps must be (images, height, width); got shape {array.shape}")
    if array.shape[1] * array.shape[2] > _MAX_PIXELS:
        raise ZsadError(
            f"maps of {array.shape[1]} x {array.shape[2]} are too large; resize below 2^25 pixels"
        )
    return array.astype(np.float32, copy=False)


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
