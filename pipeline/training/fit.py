"""Tuning one learnt method: gradient descent on cached features, with mosaics where it asks for them.

Same seed, same parameters, bit for bit on the same machine: all chance comes from one CPU generator;
torch's global generators are neither read nor moved. A mosaic (VAND's augmentation: four images of a class
in place of one) is another picture, so it takes its own pass through the tower. The public code makes
mosaics of the images as published and draws a defect type first, then an image; here the four are drawn
among all images of the class, at the tower's resolution.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from pipeline.clip import Clip
from pipeline.errors import TrainingError
from pipeline.methods.base import LearntMethod, Losses
from pipeline.training.features import AuxiliarySet, Batch, FeatureCache

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
        cache: Features of the auxiliary set, with at least the method's `loss_taps`.
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
                batch = cache.batch(rows, method.loss_taps)
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


def train(
    method: LearntMethod,
    auxiliary: AuxiliarySet,
    cache: FeatureCache,
    *,
    seed: int,
    progress: Progress | None = None,
) -> History:
    """Tune `method` in place; its scores are those of its saved and loaded checkpoint.

    Args:
        method: On the tower that made `cache`.
        auxiliary: The images, at the tower's resolution.
        cache: Their features, with at least the method's `loss_taps`.
        seed: Of everything drawn.
        progress: Called with epochs done and epochs in all.
    """
    share = method.settings.training_on(auxiliary.name).mosaic
    augment = Mosaics(method.clip, auxiliary, share) if share else None
    return fit(method, cache, auxiliary=auxiliary.name, seed=seed, augment=augment, progress=progress)


class Mosaics:
    """Replaces images of a batch by mosaics."""

    def __init__(self, clip: Clip, auxiliary: AuxiliarySet, share: float) -> None:
        self._clip = clip
        self._auxiliary = auxiliary
        self._share = share
        self._members = {
            name: [row for row, other in enumerate(auxiliary.class_names) if other == name]
            for name in set(auxiliary.class_names)
        }

    def __call__(self, batch: Batch, rows: Tensor, generator: torch.Generator) -> Batch:
        """A batch in which each image was replaced with the probability of the constructor."""
        chosen = torch.nonzero(torch.rand(len(rows), generator=generator) < self._share).flatten().tolist()
        if not chosen:
            return batch
        made = [self._make(batch.class_names[place], generator) for place in chosen]
        images = torch.from_numpy(np.stack([image for image, _ in made]))
        masks = torch.from_numpy(np.stack([mask for _, mask in made])).to(batch.masks.device)
        passed = self._clip.encode_image(images, frozenset(batch.features))
        features = {tap: _replaced(old, chosen, passed[tap]) for tap, old in batch.features.items()}
        labels = _replaced(batch.labels, chosen, masks.flatten(1).any(1).to(batch.labels.dtype))
        return Batch(features, labels, _replaced(batch.masks, chosen, masks), batch.class_names)

    def _make(
        self, class_name: str, generator: torch.Generator
    ) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Four images of a class in a square, shrunk to one: image (S, S, 3) and mask (S, S)."""
        members = self._members[class_name]
        rows = [members[index] for index in torch.randint(len(members), (4,), generator=generator).tolist()]
        size = self._auxiliary.images.shape[1]
        image = Image.fromarray(_square([self._auxiliary.images[row] for row in rows]))
        mask = Image.fromarray(
            _square([(self._auxiliary.masks[row] != 0).astype(np.uint8) * 255 for row in rows])
        )
        small = np.asarray(image.resize((size, size), Image.Resampling.BICUBIC))
        small_mask = np.asarray(mask.resize((size, size), Image.Resampling.BILINEAR))
        return small, small_mask > 0.5 * 255


def _square(parts: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    top, bottom = np.concatenate(parts[:2], axis=1), np.concatenate(parts[2:], axis=1)
    return np.concatenate([top, bottom])


def _replaced(values: Tensor, places: list[int], new: Tensor) -> Tensor:
    output = values.clone()
    output[places] = new
    return output
