"""The training loop: from a drawn pool to a CLIP whose towers agree on captions.

Two contrasts, pictures with captions and patches with captions, each a cross-entropy over the captions of the
batch. A batch holds P pairs of twins: rows 0 to P - 1 are the whole twins, rows P to 2P - 1 the damaged ones,
captions in the same order. The towers run through `pipeline.clip`, so the path that evaluation reads is the
path that is trained. Everything random comes from the seed; torch's global generator is left as it was found.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from pipeline.clip import Global, Local
from pipeline.clip.architecture import build_model
from pipeline.clip.text import TextTower
from pipeline.clip.vision import VisionTower
from pipeline.miniature.pretraining.pictures import Batch, Pool, batches

PATCH_TEMPERATURE = 0.07  # that of AnomalyCLIP's maps, which will read the same features
TOUCHED = 0.15  # share of a patch that the defect must cover to be a patch of the damaged picture

FIRST_DPAM_BLOCK = 3
"""First block of the V-V path that the patch contrast reads; the miniature's AnomalyCLIP starts there as
well."""
_BETAS = (0.9, 0.98)  # as CLIP (Radford et al. 2021, Table 19)
_MAX_LOG_SCALE = math.log(100)


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


@dataclass(frozen=True)
class Schedule:
    """How long and how hard to train.

    Attributes:
        stages: Optimiser steps, and the side of the pictures in pixels, of each stage: short sequences
            first, full pictures last, which reaches the same features for a fraction of the work (Li et al.
            2023, CLIPA).
        pairs: Twins a step; a batch holds twice as many pictures.
        rate: Highest learning rate, after the warm-up; it falls to zero along a cosine.
        warmup: Share of the steps that warm up.
        decay: Weight decay of matrices.
        patch_weight: Weight of the patch contrast beside the caption contrast.
    """

    stages: tuple[tuple[int, int], ...] = ((2600, 48), (500, 72))
    pairs: int = 16
    rate: float = 1e-3
    warmup: float = 0.05
    decay: float = 0.1
    patch_weight: float = 1.0

    @property
    def steps(self) -> int:
        """Optimiser steps of all stages."""
        return sum(steps for steps, _ in self.stages)

    def values(self) -> dict[str, Any]:
        """As plain values, for the weights' metadata."""
        return asdict(self)


def train(
    config: Mapping[str, Any],
    pool: Pool,
    schedule: Schedule,
    *,
    seed: int,
    report: Callable[[int, float, float], None] | None = None,
) -> Any:
    """Train an open_clip model from fresh weights.

    Args:
        config: An open_clip model config.
        pool: Twins of the model's image size.
        schedule: Length and strength.
        seed: Of the initial weights, the order of the pool and the captions.
        report: Called after every step with its number from 1, the loss of captions and that of patches.

    Returns:
        The trained module, float32 on the CPU.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = build_model(dict(config), "quickgelu")
    untrained = model.token_embedding.weight.detach().clone()
    towers = Towers(model, config)
    optimizer = torch.optim.AdamW(_groups(model, schedule.decay), lr=0.0, betas=_BETAS, eps=1e-6, fused=True)
    for step, batch in enumerate(
        batches(pool, schedule.stages, schedule.pairs, seed=seed, patch=towers.patch), start=1
    ):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, schedule)
        losses = _step(towers, batch, schedule)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        with torch.no_grad():
            model.logit_scale.clamp_(0, _MAX_LOG_SCALE)
        if report is not None:
            report(step, *losses)
    with torch.no_grad():  # rows of words that never came up
        model.token_embedding.weight[(model.token_embedding.weight == untrained).all(dim=1)] = 0
    return model.eval()


def learning_rate(step: int, schedule: Schedule) -> float:
    """Linear warm-up, then a cosine to zero; steps count from 1."""
    warmup = max(1, round(schedule.warmup * schedule.steps))
    if step <= warmup:
        return schedule.rate * step / warmup
    return schedule.rate * (1 + math.cos(math.pi * (step - warmup) / (schedule.steps - warmup))) / 2


class Towers:
    """Both towers of a model in training, read where evaluation will read them."""

    def __init__(self, model: Any, config: Mapping[str, Any]) -> None:
        vision = config["vision_cfg"]
        self.patch = int(vision["patch_size"])
        self.scale: Tensor = model.logit_scale
        self._native = int(vision["image_size"]) // self.patch
        self._visual = model.visual
        self._text = TextTower(model)
        self._global = Global(ln_post=True)
        self._local = Local("vv", int(vision["layers"]), start=FIRST_DPAM_BLOCK)

    def read(self, images: Tensor, corner: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Picture and patch features, normalised: (B, D) and (B, N, D).

        Args:
            images: uint8 (B, s, s, 3), of the model's image size or smaller.
            corner: Row and column, on the native patch grid, of the position embedding that the first patch
                takes.
        """
        grid = images.shape[1] // self.patch
        row, column = corner
        positions = self._visual.positional_embedding
        square = positions[1:].view(self._native, self._native, -1)
        window = square[row : row + grid, column : column + grid].flatten(0, 1)
        tower = VisionTower(self._visual, torch.cat([positions[:1], window]), grid)
        features = tower.read(images, (self._global, self._local))
        return functional.normalize(features[self._global], dim=-1), functional.normalize(
            features[self._local], dim=-1
        )

    def write(self, captions: list[str]) -> Tensor:
        """Caption features, normalised: (B, D)."""
        return functional.normalize(self._text.encode(captions), dim=-1)


def _step(towers: Towers, batch: Batch, schedule: Schedule) -> tuple[float, float]:
    """Forward and backward pass of one batch; the loss of captions and that of patches."""
    images, patches = towers.read(torch.from_numpy(batch.images), batch.corner)
    texts = towers.write(batch.captions)
    numbers = torch.tensor([batch.captions.index(text) for text in batch.captions])
    whole = caption_loss(images, texts, numbers[:, None] == numbers, towers.scale.exp())
    masks = torch.from_numpy(batch.masks)[:, None].float()
    local = patch_loss(patches, texts, functional.avg_pool2d(masks, towers.patch).flatten(1))
    torch.autograd.backward(whole + schedule.patch_weight * local)
    return float(whole.detach()), float(local.detach())


def _groups(model: Any, decay: float) -> list[dict[str, Any]]:
    """Weight decay for matrices only; embeddings, gains and biases go without."""
    decayed: list[Tensor] = []
    free: list[Tensor] = []
    for name, parameter in model.named_parameters():
        bare = parameter.ndim < 2 or "embedding" in name
        (free if bare else decayed).append(parameter)
    return [{"params": decayed, "weight_decay": decay}, {"params": free, "weight_decay": 0.0}]
