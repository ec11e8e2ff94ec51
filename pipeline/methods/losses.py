"""The segmentation losses of AnomalyCLIP and VAND, as their public code has them (paper Eq. 2)."""

from collections.abc import Iterable

import torch
from torch import Tensor

_EPSILON = 1e-5  # smooths the labels inside the focal loss
_GAMMA = 2
_SMOOTH = 1.0  # keeps the dice of an empty mask defined


def focal(maps: Tensor, masks: Tensor) -> Tensor:
    """Focal loss without class weights: −(1 − p)² log p of the true class, mean over all pixels of the batch.

    Args:
        maps: Probabilities (B, 2, S, S), channel 0 normal, 1 abnormal.
        masks: Bool (B, S, S), true where anomalous.

    Returns:
        A scalar, 0 where every pixel is certain and right.
    """
    true = torch.where(masks, maps[:, 1], maps[:, 0])
    other = torch.where(masks, maps[:, 0], maps[:, 1])
    p = (1 - _EPSILON) * true + _EPSILON * other + _EPSILON
    return (-((1 - p) ** _GAMMA) * p.log()).mean()


def dice(maps: Tensor, masks: Tensor) -> Tensor:
    """1 − (2 Σ p·y + 1) / (Σ p + Σ y + 1) over an image's pixels, mean over the batch.

    Args:
        maps: Probabilities (B, S, S).
        masks: Bool (B, S, S), true where `maps` should be 1.

    Returns:
        A scalar in [0, 1].
    """
    p, y = maps.flatten(1), masks.flatten(1).to(maps.dtype)
    overlap = (2 * (p * y).sum(1) + _SMOOTH) / (p.sum(1) + y.sum(1) + _SMOOTH)
    return 1 - overlap.mean()


def total(losses: Iterable[Tensor]) -> Tensor:
    """Sum over layers of losses, or of maps, of one shape."""
    return torch.stack(list(losses)).sum(dim=0)
