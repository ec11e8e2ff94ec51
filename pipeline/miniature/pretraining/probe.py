"""What a pretrained tower knows: one small, quick report on drawings that it was not trained on.

It answers the two questions that decide whether the miniature benchmark means anything. Do whole pictures
tell their state (the class token against two prompts), and do patches of the V-V path (AnomalyCLIP's local
features) tell a defect from its surroundings, to a linear reader and to CLIP's own prompts? Patches of
CLIP's own path stand beside.
"""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from pipeline.clip import Clip, Global, Local, Tap
from pipeline.metrics import image_metrics
from pipeline.miniature.pretraining.contrasts import TOUCHED
from pipeline.miniature.pretraining.pictures import Pool

_GLOBAL = Global()
_PROMPTS = ("a photo of a normal object.", "a photo of an anomalous object.")
_RIDGE = 1.0
_CHUNK = 32


def probe(clip: Clip, pool: Pool, *, start: int) -> dict[str, float]:
    """Measure a tower on twins drawn for its image size; `start` is the first block of the V-V path.

    Returns:
        AUROCs in [0, 1], patches under a defect against untouched ones, damaged pictures against whole ones:
        `image` (class token, two prompts that name no defect), and for the V-V path (`vv`) and CLIP's own
        (`qk`) `patch_linear_*` (ridge regression fitted on other kinds of pictures, two folds) and
        `patch_prompts_*`.
    """
    paths = {"vv": Local("vv", clip.vision.depth, start), "qk": Local("qk", clip.vision.depth)}
    flat = torch.from_numpy(pool.images).flatten(0, 1)  # whole, damaged, whole, damaged, ...
    taps: frozenset[Tap] = frozenset({_GLOBAL, *paths.values()})
    starts = range(0, len(flat), _CHUNK)
    read = [clip.encode_image(flat[first : first + _CHUNK], taps) for first in starts]
    with torch.no_grad():
        texts = functional.normalize(clip.text.encode(_PROMPTS), dim=-1)
    images = functional.normalize(torch.cat([features[_GLOBAL] for features in read]), dim=-1)
    answers = {"image": auroc(np.arange(len(flat)) % 2, _towards(images, texts))}
    for name, tap in paths.items():
        patches = functional.normalize(torch.cat([features[tap] for features in read])[1::2], dim=-1)
        answers |= _local(name, patches, texts, pool)
    return answers


def auroc(labels: npt.NDArray[np.integer], scores: Tensor) -> float:
    """Area under the ROC curve of scores for labels of both classes."""
    value = image_metrics(labels, scores.numpy()).image_auroc
    if value is None:
        raise ValueError("AUROC needs samples of both classes")
    return value


def _local(name: str, patches: Tensor, texts: Tensor, pool: Pool) -> dict[str, float]:
    side = pool.masks.shape[1] // int(patches.shape[1] ** 0.5)
    coverage = functional.avg_pool2d(torch.from_numpy(pool.masks)[:, None].float(), side).flatten(1)
    clear = (coverage == 0) | (coverage > TOUCHED)
    labels = (coverage > TOUCHED)[clear].long()
    kinds = sorted({subject.kind for subject in pool.subjects})
    folds = torch.tensor([kinds.index(subject.kind) % 2 for subject in pool.subjects])
    fold = folds[:, None].expand_as(clear)[clear]
    seen = patches[clear]
    halves = [
        auroc(labels[fold == i].numpy(), _ridge(seen[fold != i], labels[fold != i], seen[fold == i]))
        for i in (0, 1)
    ]
    return {
        f"patch_linear_{name}": sum(halves) / 2,
        f"patch_prompts_{name}": auroc(labels.numpy(), _towards(seen, texts)),
    }


def _towards(features: Tensor, texts: Tensor) -> Tensor:
    """How much nearer to the second text than to the first."""
    return features @ (texts[1] - texts[0])


def _ridge(features: Tensor, labels: Tensor, others: Tensor) -> Tensor:
    """Predictions for `others` of a ridge regression in which both labels weigh the same."""
    share = labels.double().mean()
    weight = torch.where(labels == 1, 0.5 / share, 0.5 / (1 - share))[:, None]
    x = functional.pad(features.double(), (0, 1), value=1.0)
    gram = x.T @ (weight * x) + _RIDGE * torch.eye(x.shape[1], dtype=x.dtype)
    solution = torch.linalg.solve(gram, x.T @ (weight * labels[:, None]))[:, 0]
    predictions: Tensor = functional.pad(others.double(), (0, 1), value=1.0) @ solution
    return predictions
