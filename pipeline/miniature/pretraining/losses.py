"""The two contrasts of pretraining: pictures with captions, and patches with captions.

Both are cross-entropies over the captions of the batch. Features come in normalised. A batch holds P pairs
of twins: rows 0 to P - 1 are the whole twins, rows P to 2P - 1 the damaged ones, captions in the same order.
"""

import torch
from torch import Tensor
from torch.nn import functional

PATCH_TEMPERATURE = 0.07  # that of AnomalyCLIP's maps, which will read the same features
TOUCHED = 0.15  # share of a patch that the defect must cover to be a patch of the damaged picture


def caption_loss(images: Tensor, texts: Tensor, same: Tensor, scale: Tensor) -> Tensor:
    """CLIP's symmetric contrastive loss (Radford et al. 2021, Figure 3), where equal captions share a target.

    Args:
        images: (B, D), normalised.
        texts: (B, D), normalised.
        same: bool (B, B), whether two captions are the same sentence.
        scale: Inverse temperature.
    """
    logits = scale * images @ texts.T
    target = same.to(logits.dtype)
    target = target / target.sum(dim=1, keepdim=True)
    return (functional.cross_entropy(logits, target) + functional.cross_entropy(logits.T, target)) / 2


def patch_loss(patches: Tensor, texts: Tensor, coverage: Tensor) -> Tensor:
    """Each patch finds the caption of the twin that it is a piece of.

    A patch of a whole twin belongs to that twin's caption. So does a patch of the damaged twin that the
    defect leaves untouched, as it shows the same pixels; a patch that the defect covers belongs to the
    damaged twin's caption. What the defect barely touches is left out. Covered patches, being few, weigh as
    much as all others together.

    Args:
        patches: (2P, N, D), normalised.
        texts: (2P, D), normalised.
        coverage: (P, N), share of each patch of the damaged twins under the defect, 0 to 1.
    """
    pairs = len(coverage)
    twins = texts.view(2, pairs, -1).repeat(1, 2, 1)
    logits = torch.einsum("bnd,tbd->bnt", patches, twins) / PATCH_TEMPERATURE
    whole, damaged = functional.log_softmax(logits, dim=2).unbind(2)
    untouched = torch.cat([torch.ones_like(coverage), (coverage == 0).to(coverage.dtype)])
    touched = torch.cat([torch.zeros_like(coverage), (coverage > TOUCHED).to(coverage.dtype)])
    return -(_mean(whole, untouched) + _mean(damaged, touched)) / 2


def _mean(values: Tensor, weights: Tensor) -> Tensor:
    return (values * weights).sum() / weights.sum().clamp(min=1)
