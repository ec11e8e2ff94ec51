"""Frozen features of an auxiliary set: one pass of the tower, read by every method and epoch.

CLIP is frozen and there is no augmentation, so this is exact. With a folder the features are memory-mapped
files, for sets that do not fit into memory.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from pipeline.clip import Clip, Tap
from pipeline.training.auxiliary import AuxiliarySet


@dataclass(frozen=True)
class Batch:
    """Some images of an auxiliary set, on the tower's device."""

    features: dict[Tap, Tensor]
    labels: Tensor
    masks: Tensor
    class_names: list[str]


@dataclass(frozen=True)
class FeatureCache:
    """The taps of every image, with masks and labels.

    Attributes:
        features: One CPU tensor a tap, (N, ...).
        labels: (N,) int64.
        masks: (N, S, S) bool.
        class_names: N names.
        device: Where batches go.
    """

    features: dict[Tap, Tensor]
    labels: Tensor
    masks: Tensor
    class_names: Sequence[str]
    device: torch.device

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, rows: Tensor, taps: Iterable[Tap]) -> Batch:
        """The images of `rows`, with the taps that a method reads."""
        return Batch(
            {tap: self.features[tap][rows].to(self.device) for tap in taps},
            self.labels[rows].to(self.device),
            self.masks[rows].to(self.device),
            [self.class_names[row] for row in rows.tolist()],
        )


def collect_features(
    clip: Clip,
    auxiliary: AuxiliarySet,
    taps: frozenset[Tap],
    *,
    batch: int = 16,
    folder: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> FeatureCache:
    """Pass every image through the tower once.

    Args:
        clip: The tower.
        auxiliary: The images.
        taps: The union of what the methods read.
        batch: Images a pass.
        folder: Where to memory-map the features; in memory without one.
        progress: Called with images done and images in all.
    """
    total = len(auxiliary)
    features: dict[Tap, Tensor] = {}
    for start in range(0, total, batch):
        images = torch.from_numpy(auxiliary.images[start : start + batch].copy())
        for tap, part in clip.encode_image(images, taps).items():
            if tap not in features:
                features[tap] = _allocate(folder, len(features), (total, *part.shape[1:]))
            features[tap][start : start + len(part)] = part.cpu()
        if progress:
            progress(min(start + batch, total), total)
    labels = torch.from_numpy(auxiliary.labels.astype("int64"))
    masks = torch.from_numpy(auxiliary.masks != 0)
    return FeatureCache(features, labels, masks, list(auxiliary.class_names), clip.device)


def _allocate(folder: Path | None, number: int, shape: tuple[int, ...]) -> Tensor:
    if folder is None:
        return torch.empty(shape)
    size = torch.Size(shape).numel()
    return torch.from_file(
        str(folder / f"tap{number}.f32"), shared=True, size=size, dtype=torch.float32
    ).view(shape)
