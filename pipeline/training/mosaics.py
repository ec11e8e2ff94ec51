"""VAND's augmentation: with some probability an image is replaced by a 2x2 mosaic of images of its class.

A mosaic is another picture, so it takes its own pass through the tower. The public code makes mosaics of the
images as published and draws a defect type first, then an image; here the four are drawn among all images of
the class, at the tower's resolution.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from pipeline.clip import Clip
from pipeline.training.auxiliary import AuxiliarySet
from pipeline.training.features import Batch


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
