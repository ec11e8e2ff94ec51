"""MuSc: an image's patches are as odd as they are far from those of all other test images (ICLR 2024).

Nothing is learnt and no word is read. Patches of four blocks are averaged over 1 x 1, 3 x 3 and 5 x 5
neighbours (LNAMD); a patch scores by its distances to the nearest patch of each other image, of which the
lowest 30 % count (MSM); image scores are smoothed over the images with the most similar class tokens (RsCIN).
As the public code has it, with one set of neighbours for all data sets.
"""

from collections.abc import Iterator
from math import isqrt
from pathlib import Path
from typing import Annotated, Any, ClassVar

import torch
from pydantic import AfterValidator, Field
from torch import Tensor
from torch.nn.functional import avg_pool2d, layer_norm, normalize

from pipeline.clip import Clip, Features, Global, Local, Tap
from pipeline.errors import DataError
from pipeline.methods.base import Blocks, MethodSettings, Scores, Share, Sides, each_once
from pipeline.methods.batch import BatchMethod
from pipeline.methods.readout import to_grid, upsample

_HEAD = Global(ln_post=True)
_STRIP = 512 * 2**20
"""Bytes of the images that are scored at a time: their features, and their distances to all images."""
_PRODUCT = 2**24
"""Numbers of a block of similarities of patches, 64 MiB."""
_ROWS = 1024  # of similarities between class tokens at a time
_Neighbours = Annotated[int, Field(ge=1, le=65_536)]  # more images than any subset has


class MuScSettings(MethodSettings):
    """Settings of MuSc.

    Attributes:
        layers: Blocks whose patches are compared.
        neighbourhoods: Sides in patches of the squares over which patches are averaged (r).
        share: Of the other images, those whose distances are averaged: the nearest.
        neighbours: Images over which an image's score is averaged, itself included, by similarity of class
            tokens; the scores of all these numbers are averaged. The public code has (1, 8, 9) on VisA.
    """

    tower: str = "vand"  # exact GELU on OpenAI's weights, positions bicubic with antialias
    layers: Blocks = (6, 12, 18, 24)
    neighbourhoods: Sides = (1, 3, 5)
    share: Share = 0.3
    neighbours: Annotated[tuple[_Neighbours, ...], AfterValidator(each_once)] = (1, 2, 3)


class MuSc(BatchMethod):
    """Mutual scoring of all test images of a subset."""

    name: ClassVar[str] = "musc"
    title: ClassVar[str] = "MuSc"
    Settings: ClassVar[type[MethodSettings]] = MuScSettings
    settings: MuScSettings

    def __init__(self, settings: MuScSettings, clip: Clip, prompts: Path | None = None) -> None:
        super().__init__(settings, clip, prompts)
        self.require_layers(settings.layers)
        self._patches = [Local("qk", layer, projected=False) for layer in settings.layers]

    @property
    def taps(self) -> frozenset[Tap]:
        """Raw patches of the blocks, and the class token."""
        return frozenset([_HEAD, *self._patches])

    def subset_flop(self, images: int) -> float:
        """Similarities of all pairs of patches of two images; each pair of images is compared once or twice.

        Once where all distances fit into a strip, which is what is counted.
        """
        vision, spaces = self.clip.vision, len(self._patches) * len(self.settings.neighbourhoods)
        return float(images * (images + 1) * spaces * vision.grid**4 * vision.width)

    @torch.no_grad()
    def score_subset(self, features: Features, text: Any, batch: int) -> Iterator[Scores]:  # noqa: ARG002
        """Maps are mean distances, from 0 to 2; image scores are shares in [0, 1] of the subset's range."""
        grids = to_grid(self._mutual_scores(features)[..., None])[:, 0]
        size = self.clip.spec.image_size
        highest = torch.cat([_maps(piece, size).amax((1, 2)) for piece in torch.split(grids, batch)])
        tokens = normalize(features[_HEAD].to(grids.device), dim=-1)
        image = smoothed_scores(highest, tokens, self.settings.neighbours)
        for scores, piece in zip(torch.split(image, batch), torch.split(grids, batch), strict=True):
            yield Scores(scores, _maps(piece, size))

    def _mutual_scores(self, features: Features) -> Tensor:
        """Mean over blocks and neighbourhoods of every patch's score: (N, g²)."""
        count = len(features[_HEAD])
        counted = int((count - 1) * self.settings.share)
        if not counted:
            raise DataError(
                f"{self.title} compares an image with {self.settings.share:.0%} of the others: {count} are "
                "too few; leave the data set out of `datasets`"
            )
        total = torch.zeros(count, self.clip.vision.grid**2, device=self.clip.device)
        for tap in self._patches:
            for side in self.settings.neighbourhoods:
                _Space(features[tap], side, self.clip.device).add_scores(total, counted)
        return total / (len(self._patches) * len(self.settings.neighbourhoods))


def _maps(grids: Tensor, size: int) -> Tensor:
    return upsample(grids, size, align_corners=True)


def aggregated(patches: Tensor, side: int) -> Tensor:
    """LNAMD (section 3.1): each patch the mean over its `side` x `side` neighbours, zeros outside the image.

    Args:
        patches: (B, g², W), raw.
        side: Odd.

    Returns:
        (B, g², W), L2-normalised. The norm before is over a whole image; the public code's pooling to the
        width of the patches is exactly this mean.
    """
    grids = to_grid(layer_norm(patches, patches.shape[1:]))
    return normalize(avg_pool2d(grids, side, 1, side // 2).flatten(2).mT, dim=-1)


class _Space:
    """The patches of all images in one block and neighbourhood, aggregated when they are asked for."""

    def __init__(self, raw: Tensor, side: int, device: torch.device) -> None:
        self._raw, self._side, self._device = raw, side, device
        self.count, self.length, self._width = raw.shape
        row = self.length * raw.itemsize
        most = max(1, _STRIP // (row * (self._width + self.count)))
        self._step = min(max(1, isqrt(_PRODUCT) // self.length), most)
        self._strip = most // self._step * self._step

    def add_scores(self, total: Tensor, counted: int) -> None:
        """Add the scores (N, g²) of MSM (section 3.2): the mean distance to the `counted` nearest images."""
        for start in range(0, self.count, self._strip):
            for image, cosines in enumerate(self._nearest(start), start):
                cosines[image] = -torch.inf  # itself
                nearest = cosines.T.topk(counted, dim=1).values
                total[image] += (2 - 2 * nearest).clamp(min=0).sqrt().mean(1)

    def _nearest(self, start: int) -> Tensor:
        """Cosine of each patch of a strip of images to the nearest patch of every image: (strip, N, g²).

        Of two images of the strip both directions come from one product.
        """
        strip = range(start, min(start + self._strip, self.count))
        own = torch.empty(len(strip), self.length, self._width, device=self._device)
        for first in range(0, len(strip), self._step):
            own[first : first + self._step] = self._images(start + first)[: len(strip) - first]
        nearest = own.new_empty(len(strip), self.count, self.length)
        for first in range(0, self.count, self._step):
            inside = first in strip
            theirs = own[first - start :][: self._step] if inside else self._images(first)
            columns = slice(first, first + len(theirs))
            # What stands further down in the strip has yet to meet them, from its side.
            for place in range(0, first - start + 1 if inside else len(strip), self._step):
                ours = own[place : place + self._step]
                cosines = ours.flatten(0, 1) @ theirs.flatten(0, 1).T
                found = cosines.view(len(ours), self.length, len(theirs), self.length)
                nearest[place : place + len(ours), columns] = found.amax(3).mT
                if inside:
                    back = slice(start + place, start + place + len(ours))
                    nearest[first - start :][: len(theirs), back] = found.amax(1).transpose(0, 1)
        return nearest

    def _images(self, start: int) -> Tensor:
        """(at most a step, g², W) from image `start` on, on the tower's device."""
        return aggregated(self._raw[start : start + self._step].to(self._device), self._side)


def smoothed_scores(scores: Tensor, tokens: Tensor, neighbours: tuple[int, ...]) -> Tensor:
    """RsCIN (section 3.3): scores scaled to [0, 1] and averaged over images with similar class tokens.

    Args:
        scores: (N,).
        tokens: (N, D), L2-normalised; their cosines are the weights.
        neighbours: Numbers of nearest images, itself included; at most N count.

    Returns:
        (N,), the mean over `neighbours`.
    """
    low, high = scores.aminmax()
    scaled = (scores - low) / (high - low).clamp(min=torch.finfo(scores.dtype).tiny)
    most = min(max(neighbours), len(tokens))
    nearest = [(rows @ tokens.T).topk(most, dim=1) for rows in torch.split(tokens, _ROWS)]
    weights, places = (torch.cat(parts) for parts in zip(*nearest, strict=True))
    weighted = (weights * scaled[places]).cumsum(1) / weights.cumsum(1)
    return torch.stack([weighted[:, min(count, most) - 1] for count in neighbours]).mean(0)
