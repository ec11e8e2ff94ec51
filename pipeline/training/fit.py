"""Gradient descent on cached features: same seed, same parameters, bit for bit on the same machine.

All chance comes from one CPU generator; torch's global generators are neither read nor moved.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.errors import TrainingError
from pipeline.methods.base import LearntMethod, Losses
from pipeline.training.features import Batch, FeatureCache

Augment = Callable[[Batch, Tensor, torch.Generator], Batch]
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class History:
    """Mean loss an epoch: the total and its unweighted parts, weighted by batch size."""

    epochs: tuple[dict[str, float], ...]


@contextmanager
def _deterministic() -> Iterator[None]:
    before = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])


class _Mean:
    """Running means of the losses of an epoch."""

    def __init__(self) -> None:
        self._sums: dict[str, float] = {}
        self._count = 0

    def add(self, losses: Losses, count: int) -> None:
        self._count += count
        for name, value in {"total": losses.total, **losses.parts}.items():
            self._sums[name] = self._sums.get(name, 0.0) + float(value.detach()) * count

    def values(self, epoch: int) -> dict[str, float]:
        if not math.isfinite(self._sums["total"]):
            raise TrainingError(f"the loss of epoch {epoch + 1} is not finite: lower the learning rate")
        return {name: value / self._count for name, value in self._sums.items()}


def fit(
    method: LearntMethod,
    cache: FeatureCache,
    *,
    auxiliary: str,
    seed: int,
    augment: Augment | None = None,
    progress: Progress | None = None,
) -> History:
    """Draw the method's parameters from `seed` and tune them; the method is changed in place.

    Args:
        method: A learnt method.
        cache: Features of the auxiliary set, with at least the method's taps.
        auxiliary: Name of the set; the settings may depend on it.
        seed: Of initial parameters, order and augmentation.
        augment: Called with each batch, its row numbers and the generator.
        progress: Called with epochs done and epochs in all.

    Returns:
        The losses; no epochs where the settings leave nothing to tune.

    Raises:
        TrainingError: the loss of an epoch is not finite.
    """
    training = method.settings.training_on(auxiliary)
    generator = torch.Generator().manual_seed(seed)
    method.reset(generator)
    parameters = [parameter for parameter in method.trainable().parameters() if parameter.numel()]
    epochs: list[dict[str, float]] = []
    if not parameters:
        return History(())
    optimiser = training.optimiser(parameters)
    with _deterministic(), torch.inference_mode(mode=False), torch.enable_grad():
        for epoch in range(training.epochs):
            for group in optimiser.param_groups:
                group["lr"] = training.rate(epoch)
            mean = _Mean()
            for rows in torch.split(torch.randperm(len(cache), generator=generator), training.batch):
                batch = cache.batch(rows, method.taps)
                if augment:
                    batch = augment(batch, rows, generator)
                losses = method.loss(batch.features, batch.labels, batch.masks, batch.class_names)
                optimiser.zero_grad()
                torch.autograd.backward(losses.total)
                optimiser.step()
                mean.add(losses, len(rows))
            epochs.append(mean.values(epoch))
            if progress:
                progress(epoch + 1, training.epochs)
    return History(tuple(epochs))
