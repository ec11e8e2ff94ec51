"""Frozen features of an auxiliary set: one pass of the tower, read by every method and epoch.

There is no augmentation, so this is exact. `pipeline.clip.features` says where they lie.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from pipeline.clip import Clip, Tap
from pipeline.clip.architecture import upload
from pipeline.clip.features import MEMORY, keep_features
from pipeline.methods.auxiliary import AuxiliarySet
from pipeline.methods.base import Batch


@dataclass(frozen=True)
class FeatureCache:
    """The taps of every image, with masks and labels.

    Attributes:
        features: One tensor a tap, (N, ...), on `device` or on the CPU, as labels and masks are.
        labels: (N,) int64.
        masks: (N, S, S) bool.
        auxiliary: The pictures that they are of.
        device: Where batches go.
    """

    features: dict[Tap, Tensor]
    labels: Tensor
    masks: Tensor
    auxiliary: AuxiliarySet
    device: torch.device

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, rows: Tensor, taps: Iterable[Tap]) -> Batch:
        """The images of `rows`, with the taps that a method reads."""
        return Batch(
            {tap: self._taken(self.features[tap], rows) for tap in taps},
            self._taken(self.labels, rows),
            self._taken(self.masks, rows),
            [self.auxiliary.class_names[row] for row in rows.tolist()],
        )

    def batches(self, size: int, taps: frozenset[Tap]) -> Iterator[Batch]:
        """All images in order, `size` at a time."""
        for rows in torch.split(torch.arange(len(self)), size):
            yield self.batch(rows, taps)

    def _taken(self, values: Tensor, rows: Tensor) -> Tensor:
        """Rows of `values`; the next ones are gathered while the device works on these."""
        if values.device.type == "cpu":
            return upload(values[rows], self.device)
        return values[upload(rows, values.device)]


def collect_features(
    clip: Clip,
    auxiliary: AuxiliarySet,
    taps: frozenset[Tap],
    *,
    batch: int = 16,
    folder: Path | None = None,
    memory: int = MEMORY,
    progress: Callable[[int, int], None] | None = None,
) -> FeatureCache:
    """Pass every image through the tower once.

    Args:
        clip: The tower.
        auxiliary: The images.
        taps: The union of what the methods read.
        batch: As the others: see `keep_features`.
        folder: Likewise.
        memory: Likewise.
        progress: Likewise.

    Raises:
        DiskFullError: the disk of `folder` has no room for them.
    """
    features = keep_features(
        clip, auxiliary.images, taps, batch=batch, folder=folder, memory=memory, progress=progress
    )
    home = next(iter(features.values())).device
    labels = torch.from_numpy(auxiliary.labels.astype("int64")).to(home)
    masks = torch.from_numpy(auxiliary.masks != 0).to(home)
    return FeatureCache(features, labels, masks, auxiliary, clip.device)
