"""The training loop: from a drawn pool to a CLIP whose towers agree on captions.

The towers run through `pipeline.clip`, so the path that evaluation reads is the path that is trained.
Everything random comes from the seed; torch's global generator is left as it was found.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from pipeline.clip import Global, Local
from pipeline.clip.architecture import build_model
from pipeline.clip.text import TextTower
from pipeline.clip.vision import VisionTower
from pipeline.errors import TrainingError
from pipeline.files import atomic_path, value_digest
from pipeline.miniature.pretraining.contrasts import caption_loss, patch_loss
from pipeline.miniature.pretraining.pictures import Batch, Pool, batches

FIRST_DPAM_BLOCK = 3
"""First block of the V-V path that the patch contrast reads; the miniature's AnomalyCLIP starts there as
well."""
_BETAS = (0.9, 0.98)  # as CLIP (Radford et al. 2021, Table 19)
_MAX_LOG_SCALE = math.log(100)
_KEEP_EVERY = 500  # steps


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

    stages: tuple[tuple[int, int], ...] = ((5200, 48), (900, 72))
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
    kept: Path | None = None,
) -> Any:
    """Train an open_clip model from fresh weights, or from where a stopped training has left off.

    Args:
        config: An open_clip model config.
        pool: Twins of the model's image size.
        schedule: Length and strength.
        seed: Of the initial weights, the order of the pool and the captions.
        report: Called after every step with its number from 1, the loss of captions and that of patches.
        kept: File that keeps the training every few minutes; one that is there is taken up.

    Returns:
        The trained module, float32 on the CPU; embeddings of words that never came up are zero.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = build_model(dict(config), "quickgelu")
    fresh = model.token_embedding.weight.detach().clone()
    towers = Towers(model, config)
    optimizer = torch.optim.AdamW(_groups(model, schedule.decay), lr=0.0, betas=_BETAS, eps=1e-6, fused=True)
    of = {"config": value_digest(config), "schedule": value_digest(schedule.values()), "seed": seed}
    done = _take_up(kept, of, model, optimizer) if kept and kept.exists() else 0
    coming = batches(pool, schedule.stages, schedule.pairs, seed=seed, patch=towers.patch)
    for step, batch in enumerate(islice(coming, done, None), start=done + 1):
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
        if kept and (step % _KEEP_EVERY == 0 or step == schedule.steps):
            _keep(kept, of | {"step": step}, model, optimizer)
    with torch.no_grad():
        model.token_embedding.weight[(model.token_embedding.weight == fresh).all(dim=1)] = 0
    return model.eval()


def associate(model: Any, associations: Mapping[str, Sequence[str]]) -> None:
    """Give words that no sentence held the mean embedding of the words that they are associated with.

    A token that some sentence held keeps its own.
    """
    tower, rows = TextTower(model), model.token_embedding.weight
    unseen = (rows == 0).all(dim=1)
    with torch.no_grad():
        for word, near in associations.items():
            company = [token for other in near for token in _ids(tower, other)]
            for token in _ids(tower, word):
                if unseen[token]:
                    rows[token] = rows[company].mean(dim=0)


def _ids(tower: TextTower, word: str) -> list[int]:
    return tower.tokens(word)[1:-1]


def _keep(path: Path, facts: Mapping[str, Any], model: Any, optimizer: torch.optim.Optimizer) -> None:
    state = {"facts": dict(facts), "model": model.state_dict(), "optimizer": optimizer.state_dict()}
    with atomic_path(path) as temporary:
        torch.save(state, temporary)


def _take_up(path: Path, of: Mapping[str, Any], model: Any, optimizer: torch.optim.Optimizer) -> int:
    """Steps that are done.

    Raises:
        TrainingError: the file is of another training.
    """
    state = torch.load(path, weights_only=True)
    if any(state["facts"][key] != value for key, value in of.items()):
        raise TrainingError(f"{path}: kept from a training with another config, schedule or seed; delete it")
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    return int(state["facts"]["step"])


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
        return _unit(features[self._global]), _unit(features[self._local])

    def write(self, captions: list[str]) -> Tensor:
        """Caption features, normalised: (B, D)."""
        return _unit(self._text.encode(captions))


def _unit(features: Tensor) -> Tensor:
    return functional.normalize(features.float(), dim=-1)


def _step(towers: Towers, batch: Batch, schedule: Schedule) -> tuple[float, float]:
    """Forward and backward pass of one batch; the loss of captions and that of patches."""
    sentences = batch.captions + batch.pieces
    # The backward pass of the CPU's fused attention takes nine times as long in bfloat16 as in float32.
    with torch.autocast("cpu", torch.bfloat16), sdpa_kernel(SDPBackend.MATH):
        images, patches = towers.read(torch.from_numpy(batch.images), batch.corner)
        texts, pieces = towers.write(sentences).chunk(2)
    numbers = torch.tensor([sentences.index(text) for text in sentences])
    same = numbers[: len(texts), None] == numbers
    whole = caption_loss(images, torch.cat([texts, pieces]), same, towers.scale.exp())
    masks = torch.from_numpy(batch.masks)[:, None].float()
    coverage = functional.avg_pool2d(masks, towers.patch).flatten(1)
    local = patch_loss(patches, torch.cat([pieces, texts]), coverage)
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
