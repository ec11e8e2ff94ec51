"""Frozen features of a set of images: one pass of the tower, kept for whoever reads them more than once.

CLIP is frozen, so this is exact. Features lie on the tower's GPU where they fit there. Else they are in
memory; with a folder, those of more than `MEMORY` bytes are memory-mapped files, of which the system keeps in
memory what fits.
"""

import shutil
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.clip.model import Clip
from pipeline.clip.spec import Tap
from pipeline.errors import DiskFullError
from pipeline.files import scratch_folder

MEMORY = 2 * 2**30
"""Bytes of features in memory. One V-V tap of MVTec AD at 518 px is 7.3 GB, VAND's four are 39 GB."""

_FOLDER = Path(".zsad/features")


def keep_features(
    clip: Clip,
    images: NDArray[Any],
    taps: frozenset[Tap],
    *,
    batch: int = 16,
    folder: Path | None = None,
    memory: int = MEMORY,
    progress: Callable[[int, int], None] | None = None,
) -> dict[Tap, Tensor]:
    """Pass every image through the tower once.

    Args:
        clip: The tower.
        images: uint8 (N, S, S, 3).
        taps: What to read.
        batch: Images a pass.
        folder: Where features beyond `memory` are memory-mapped; in memory without one, however many. Those
            that fit on the tower's GPU stay there.
        memory: Bytes that are kept in memory.
        progress: Called with images done and images in all.

    Returns:
        One tensor a tap, (N, ...), on the tower's device or on the CPU.

    Raises:
        DiskFullError: the disk of `folder` has no room for them.
    """
    total = len(images)
    features: dict[Tap, Tensor] = {}
    for start in range(0, total, batch):
        parts = clip.encode_image(torch.from_numpy(images[start : start + batch].copy()), taps)
        features = features or _allocate(total, parts, folder, memory)
        for tap, part in parts.items():
            features[tap][start : start + len(part)] = part
        if progress:
            progress(min(start + batch, total), total)
    return features


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


def features_folder() -> AbstractContextManager[Path]:
    """A folder for the features of this process; what killed ones left, gigabytes perhaps, is deleted."""
    _FOLDER.mkdir(parents=True, exist_ok=True)
    return scratch_folder(_FOLDER, "")
