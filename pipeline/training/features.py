"""Frozen features of an auxiliary set: one pass of the tower, read by every method and epoch.

CLIP is frozen and there is no augmentation, so this is exact. Features lie on the tower's GPU where they fit
there. Else they are in memory; with a folder, those of more than `MEMORY` bytes are memory-mapped files, of
which the system keeps in memory what fits.
"""

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from pipeline.clip import Clip, Tap
from pipeline.clip.architecture import upload
from pipeline.errors import DiskFullError
from pipeline.methods.auxiliary import AuxiliarySet
from pipeline.methods.base import Batch

MEMORY = 2 * 2**30
"""Bytes of features in memory. One V-V tap of MVTec AD at 518 px is 7.3 GB, VAND's four are 39 GB."""


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
        batch: Images a pass.
        folder: Where features beyond `memory` are memory-mapped; in memory without one, however many. Those
            that fit on the tower's GPU stay there.
        memory: Bytes that are kept in memory.
        progress: Called with images done and images in all.

    Raises:
        DiskFullError: the disk of `folder` has no room for them.
    """
    total = len(auxiliary)
    features: dict[Tap, Tensor] = {}
    for start in range(0, total, batch):
        images = torch.from_numpy(auxiliary.images[start : start + batch].copy())
        parts = clip.encode_image(images, taps)
        features = features or _allocate(total, parts, folder, memory)
        for tap, part in parts.items():
            features[tap][start : start + len(part)] = part
        if progress:
            progress(min(start + batch, total), total)
    home = next(iter(features.values())).device
    labels = torch.from_numpy(auxiliary.labels.astype("int64")).to(home)
    masks = torch.from_numpy(auxiliary.masks != 0).to(home)
    return FeatureCache(features, labels, masks, auxiliary, clip.device)


def _room(device: torch.device) -> int:
    """Bytes of features that may lie on `device`: three quarters of what is free, the rest for steps."""
    return torch.cuda.mem_get_info(device)[0] // 4 * 3 if device.type == "cuda" else 0


def _allocate(total: int, parts: Mapping[Tap, Tensor], folder: Path | None, memory: int) -> dict[Tap, Tensor]:
    """Room for the taps of `total` images; `parts` are those of the first batch."""
    shapes = {tap: (total, *part.shape[1:]) for tap, part in parts.items()}
    need = sum(torch.Size(shape).numel() * torch.float32.itemsize for shape in shapes.values())
    device = next(iter(parts.values())).device
    if need <= _room(device):
        return {tap: torch.empty(shape, device=device) for tap, shape in shapes.items()}
    if folder is None or need <= memory:
        return {tap: torch.empty(shape) for tap, shape in shapes.items()}
    if need > (free := shutil.disk_usage(folder).free):
        raise DiskFullError(
            f"{folder}: {need / 2**30:.1f} GiB of features do not fit on this disk, which has"
            f" {free / 2**30:.1f} GiB free; make room or put .zsad on another disk"
        )
    return {
        tap: torch.from_file(
            str(folder / f"tap{number}.f32"),
            shared=True,
            size=torch.Size(shape).numel(),
            dtype=torch.float32,
        ).view(shape)
        for number, (tap, shape) in enumerate(shapes.items())
    }
