"""Float32 scores as unsigned integers that sort in the same order.

All counting works on these keys: comparing, cutting off low bits and taking ranges are then integer
operations, and one IEEE rule holds everywhere: both zeros tie, denormals and negatives rank by value,
nothing is squashed or rescaled. The key is 2^31 plus or minus the bits of the magnitude, so that low bits
which no score uses (small integers, scores that were half precision once) are zero in every key.
"""

import numpy as np
import numpy.typing as npt

Keys = npt.NDArray[np.uint32]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_SIGN = np.uint32(1 << 31)
_MAGNITUDE = np.int32((1 << 31) - 1)


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
