"""Tuning one learnt method: its stages one after another, gradient descent on cached features.

Same seed, same parameters, bit for bit on the same machine: all chance comes from one CPU generator; torch's
global ones, from which its own layers draw (dropout), are seeded alike meanwhile and put back. A picture that
replaces another one (VAND's mosaics) takes its own pass through the tower.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.clip.architecture import upload
from pipeline.errors import TrainingError
from pipeline.methods.base import Batch, LearntMethod, Losses, Training
from pipeline.training.features import FeatureCache

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class History:
    """Mean loss an epoch: the total and its unweighted parts, weighted by batch size."""

    epochs: tuple[dict[str, float], ...]


@contextmanager
def _repeatable(method: LearntMethod, seed: int) -> Iterator[None]:
    """Deterministic kernels, seeded global generators, gradients and the method in training mode inside."""
    before = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    device, module = method.clip.device, method.trainable()
    torch.use_deterministic_algorithms(True, warn_only=True)
    module.train()
    try:
        with (
            torch.random.fork_rng([device] if device.type == "cuda" else []),
            torch.inference_mode(mode=False),
            torch.enable_grad(),
        ):
            torch.manual_seed(seed)
            yield
    finally:
        module.requires_grad_(True).eval()
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])


class _Mean:
    """Running means of the losses of an epoch; they stay on the device until the epoch ends."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._count = 0

    def add(self, losses: Losses, count: int) -> None:
        self._count += count
        for name, value in {"total": losses.total, **losses.parts}.items():
            weighted = value.detach().double() * count
            self._sums[name] = self._sums[name] + weighted if name in self._sums else weighted

    def values(self, epoch: int) -> dict[str, float]:
        sums = dict(zip(self._sums, torch.stack(list(self._sums.values())).tolist(), strict=True))
        if not math.isfinite(sums["total"]):
            raise TrainingError(f"the loss of epoch {epoch + 1} is not finite: lower the learning rate")
        return {name: value / self._count for name, value in sums.items()}


def fit(method: LearntMethod, cache: FeatureCache, *, seed: int, progress: Progress | None = None) -> History:
    """Draw the method's parameters from `seed` and tune them; the method is changed in place.

    Its scores are then those of its saved and loaded checkpoint.

    Args:
        method: On the tower that made `cache`.
        cache: The auxiliary set with at least the method's `loss_taps`.
        seed: Of everything drawn.
        progress: Called with epochs done and epochs in all.

    Returns:
        The losses, stage after stage; no epochs where the settings leave nothing to tune.

    Raises:
        TrainingError: the loss of an epoch is not finite, or a rate is for no group of parameters.
    """
    generator = torch.Generator().manual_seed(seed)
    method.reset(generator)
    stages = method.settings.training_on(cache.auxiliary.name)
    total = sum(training.epochs for training in stages)
    history: list[dict[str, float]] = []
    with _repeatable(method, seed):
        for number, training in enumerate(stages):
            method.prepare(cache.batches(training.batch, method.loss_taps), number)
            for mean in _epochs(method, training, cache, generator):
                history.append(mean.values(len(history)))
                if progress:
                    progress(len(history), total)
    return History(tuple(history))


def _epochs(
    method: LearntMethod, training: Training, cache: FeatureCache, generator: torch.Generator
) -> Iterator[_Mean]:
    """Every epoch of a stage; none where it has nothing to tune."""
    groups = _groups(method, training)
    if not groups:
        return
    optimiser = training.optimiser(groups)
    rates = [group["lr"] for group in groups]
    step, steps = 0, training.epochs * math.ceil(len(cache) / training.batch)
    for _ in range(training.epochs):
        mean = _Mean()
        for rows in torch.split(torch.randperm(len(cache), generator=generator), training.batch):
            for group, lr in zip(optimiser.param_groups, rates, strict=True):
                group["lr"] = training.rate(lr, step, steps)
            mean.add(_step(method, optimiser, _batch(method, training, cache, rows, generator)), len(rows))
            step += 1
        yield mean


def _groups(method: LearntMethod, training: Training) -> list[dict[str, Any]]:
    """The groups of parameters that a stage tunes, in torch's form; all others are frozen while it lasts.

    Raises:
        TrainingError: a rate is for a group that the method does not have.
    """
    named: dict[str, list[nn.Parameter]] = {}
    for name, parameter in method.trainable().named_parameters():
        group = name.partition(".")[0] if training.rates else ""
        parameter.requires_grad_(group in (training.rates or {""}))
        if parameter.numel():
            named.setdefault(group, []).append(parameter)
    rates = training.rates or dict.fromkeys(named, training.lr)
    if strangers := sorted(rates.keys() - named.keys()):
        known = ", ".join(sorted(named))
        raise TrainingError(
            f"{method.name}: {strangers[0]!r} is no group of its parameters; there are {known}"
        )
    return [{"params": named[name], "lr": lr} for name, lr in rates.items()]


def _step(method: LearntMethod, optimiser: torch.optim.Optimizer, batch: Batch) -> Losses:
    losses = method.loss(batch.features, batch.labels, batch.masks, batch.class_names)
    optimiser.zero_grad()
    torch.autograd.backward(losses.total)
    optimiser.step()
    return losses


def _batch(
    method: LearntMethod,
    training: Training,
    cache: FeatureCache,
    rows: Tensor,
    generator: torch.Generator,
) -> Batch:
    """The images of `rows`, some of them redrawn."""
    batch = cache.batch(rows, method.loss_taps)
    pictures = training.redraw(rows.tolist(), cache.auxiliary, generator)
    if not pictures:
        return batch
    places = upload(torch.tensor(list(pictures)), batch.masks.device)
    images = torch.from_numpy(np.stack([image for image, _ in pictures.values()]))
    masks = upload(torch.from_numpy(np.stack([mask for _, mask in pictures.values()])), batch.masks.device)
    passed = method.clip.encode_image(images, frozenset(batch.features))
    return Batch(
        {tap: _replaced(old, places, passed[tap]) for tap, old in batch.features.items()},
        _replaced(batch.labels, places, masks.flatten(1).any(1).to(batch.labels.dtype)),
        _replaced(batch.masks, places, masks),
        batch.class_names,
    )


def _replaced(values: Tensor, places: Tensor, new: Tensor) -> Tensor:
    output = values.clone()
    output[places] = new
    return output
