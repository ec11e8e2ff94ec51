"""What is learnt: pictures find their captions, patches the sentences about what they show.

Both are cross-entropies over all sentences of a batch, those about pictures and those about pieces. So a
picture's state and what lies on its ground come to be told in different directions, as nobody has asked for
the one to be like the other. A batch holds P pairs of twins: rows 0 to P - 1 are the whole twins, rows P to
2P - 1 the damaged ones, sentences in the same order.
"""

import torch
from torch import Tensor
from torch.nn import functional

PATCH_TEMPERATURE = 0.07  # that of AnomalyCLIP's maps, which will read the same features
TOUCHED = 0.15  # share of a patch that the defect must cover to be a patch of the damaged picture


def caption_loss(images: Tensor, texts: Tensor, same: Tensor, scale: Tensor) -> Tensor:
    """CLIP's symmetric contrastive loss (Radford et al. 2021, Figure 3); equal sentences share a target.

    Sentences that are about no picture, but about pieces, stand behind the captions: no picture may choose
    them.

    Args:
        images: (B, D), normalised.
        texts: (T, D), normalised; the first B are the captions.
        same: bool (B, T), whether a caption and a sentence are the same.
        scale: Inverse temperature.
    """
    logits = scale * images @ texts.T
    target = same.to(logits.dtype)
    back = target[:, : len(images)]
    return (
        functional.cross_entropy(logits, target / target.sum(dim=1, keepdim=True))
        + functional.cross_entropy(logits[:, : len(images)].T, back / back.sum(dim=1, keepdim=True))
    ) / 2


def patch_loss(patches: Tensor, texts: Tensor, coverage: Tensor) -> Tensor:
    """Each patch finds the sentence about what it shows: beside that of its twin, and among all.

    A patch of a whole twin shows the ground of that twin. So does a patch of the damaged twin that the defect
    leaves untouched, as it shows the same pixels; a patch that the defect covers shows what lies there. What
    the defect barely touches is left out. Patches under the defect, the same patches of the whole twin, and
    all untouched ones weigh one half, a quarter and a quarter.

    Args:
        patches: (2P, N, D), normalised.
        texts: (T, D), normalised; the first 2P are the sentences about grounds and about what lies there.
        coverage: (P, N), share of each patch of the damaged twins under the defect, 0 to 1.
    """
    pairs, count = coverage.shape
    logits = patches @ texts.T / PATCH_TEMPERATURE
    ground = (torch.arange(2 * pairs) % pairs)[:, None, None].expand(-1, count, 1)
    own = torch.cat([ground, ground + pairs], dim=2)
    beside = functional.log_softmax(logits.gather(2, own), dim=2)
    among = functional.log_softmax(logits, dim=2).gather(2, own)
    whole, damaged = (beside + among).unbind(2)
    touched, clear = (coverage > TOUCHED).to(logits.dtype), (coverage == 0).to(logits.dtype)
    before = _mean(whole[:pairs], touched)
    untouched = _mean(whole, torch.cat([clear, clear]))
    return -(2 * _mean(damaged[pairs:], touched) + before + untouched) / 4


def _mean(values: Tensor, weights: Tensor) -> Tensor:
    return (values * weights).sum() / weights.sum().clamp(min=1)
