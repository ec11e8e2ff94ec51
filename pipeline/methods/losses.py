"""Losses as the public codes have them: AnomalyCLIP's, VAND's, AF-CLIP's, Bayes-PFL's and FAPrompt's."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy, normalize

_EPSILON = 1e-5  # smooths the labels inside the focal loss
_GAMMA = 2
_SMOOTH = 1.0  # keeps the dice of an empty mask defined
_BATCH_SMOOTH = 1e-5  # likewise, of a batch without a defect
_TINY = 1e-8  # keeps logarithm and mean of Bayes-PFL's focal loss defined


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


def map_losses(maps: Sequence[Tensor], masks: Tensor) -> dict[str, Tensor]:
    """`focal` and `dice` of both channels, each a sum over maps.

    Args:
        maps: Probabilities, each (B, 2, S, S), channel 0 normal, 1 abnormal.
        masks: Bool (B, S, S), true where anomalous.
    """
    return {
        "focal": total(focal(each, masks) for each in maps),
        "dice_abnormal": total(dice(each[:, 1], masks) for each in maps),
        "dice_normal": total(dice(each[:, 0], ~masks) for each in maps),
    }


def binary_focal(p: Tensor, target: Tensor, gamma: float) -> Tensor:
    """Cross-entropy times (1 − q)^γ with q = p·t + (1 − p)(1 − t), mean over all values.

    Args:
        p: Probabilities, of any shape.
        target: Of the same shape and type, in [0, 1].
        gamma: γ.
    """
    q = p * target + (1 - p) * (1 - target)
    return (binary_cross_entropy(p, target, reduction="none") * (1 - q) ** gamma).mean()


def focal_as_coded(p: Tensor, target: Tensor, gamma: float) -> Tensor:
    """`binary_focal` with the gradient that AF-CLIP's public training follows.

    Its alignment overwrites the targets 0 by −1, in the memory that the focal loss has kept for its backward
    pass: there the gradient is p^(γ−1) (1 + p) / (1 − p) − 2γ p^(γ−1) log(1 − p), and not
    p^γ / (1 − p) − γ p^(γ−1) log(1 − p).
    """
    held, normal = p.detach(), target == 0
    rest = 1 - held
    slope = (1 + held) / rest.clamp(min=1e-12) - 2 * gamma * rest.log().clamp(min=-100)
    surrogate = (p - held) * held ** (gamma - 1) * slope * normal
    return binary_focal(torch.where(normal, held, p), target, gamma) + surrogate.mean()


def likeness(features: Tensor) -> Tensor:
    """Sum over all pairs of rows (N, D) of their absolute cosine (FAPrompt)."""
    unit = normalize(features, dim=-1)
    return (unit @ unit.T).triu(diagonal=1).abs().sum()


def patch_alignment(tokens: Tensor, target: Tensor) -> Tensor:
    """Mean cosine of unlike pairs of patches less that of like pairs, not below 0 (AF-CLIP).

    Pairs are within an image and pooled over the batch, each patch with itself included; a patch whose target
    is neither 0 nor 1 has none. 0 where there is no unlike pair. A mean over pairs is one of sums of tokens.

    Args:
        tokens: (B, N, D), L2-normalised.
        target: (B, N).
    """
    sides = torch.stack([target == 0, target == 1], dim=1).to(tokens.dtype)
    sums, counts = sides @ tokens, sides.sum(-1)
    unlike, pairs = 2 * (sums[:, 0] * sums[:, 1]).sum(), 2 * (counts[:, 0] * counts[:, 1]).sum()
    alike = (sums**2).sum() / (counts**2).sum().clamp(min=1)
    return torch.where(pairs > 0, (unlike / pairs.clamp(min=1) - alike).clamp(min=0), 0 * alike)


def balanced_focal(maps: Tensor, masks: Tensor) -> Tensor:
    """−(1 − p)² log p of the true class: its mean over defects and its mean over all else, added (Bayes-PFL).

    Args:
        maps: Probabilities (B, 2, S, S), channel 0 normal, 1 abnormal.
        masks: Bool (B, S, S), true where anomalous. A side without pixels adds 0.
    """
    p = torch.where(masks, maps[:, 1], maps[:, 0])
    each = -((1 - p) ** _GAMMA) * (p + _TINY).log()
    return total((each * side).sum() / (side.sum() + _TINY) for side in (masks, ~masks))


def batch_dice(maps: Tensor, masks: Tensor) -> Tensor:
    """1 − (2 Σ p·y + ε) / (Σ p + Σ y + ε) over all pixels of the batch together (Bayes-PFL); as `dice`."""
    y = masks.to(maps.dtype)
    return 1 - (2 * (maps * y).sum() + _BATCH_SMOOTH) / (maps.sum() + y.sum() + _BATCH_SMOOTH)


def orthogonality(features: Tensor) -> Tensor:
    """Squared cosines of different rows, summed and divided by the number of all pairs, n² (Bayes-PFL).

    Args:
        features: (..., n, D); the mean is over leading dimensions too.
    """
    unit = normalize(features, dim=-1)
    count = unit.shape[-2]
    others = 1 - torch.eye(count, device=unit.device, dtype=unit.dtype)
    return ((unit @ unit.mT) ** 2 * others).mean()


def total(losses: Iterable[Tensor]) -> Tensor:
    """Sum over layers of losses, or of maps, of one shape."""
    return torch.stack(list(losses)).sum(dim=0)
