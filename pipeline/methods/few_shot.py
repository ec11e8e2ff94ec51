"""The contract of the few-shot track: methods that see a few normal images of the target beside its test set.

Such a method is never ranked among those that see none. It remembers its reference images once for a subset;
then an image's score depends on that image and on the memory.
"""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from pipeline.clip import Features
from pipeline.methods.base import Method, MethodSettings
from pipeline.settings import MOST_SHOTS


class FewShotSettings(MethodSettings):
    """Settings that every method of the track has.

    Attributes:
        shots: Reference images (k). Those of a smaller number are among those of a larger one.
    """

    shots: int = Field(default=1, ge=1, le=MOST_SHOTS)


class FewShotMethod(Method):
    """A method that scores an image beside normal images of its subset."""

    track: ClassVar[str] = "few-shot"
    settings: FewShotSettings

    @abstractmethod
    def remember(self, references: Features, text: Any) -> Any:
        """What `score` takes as its text: the text side, and what is kept of the references; no gradient.

        Args:
            references: Its taps of the k reference images, all normal. Their order is to make no difference.
            text: `text_features` of their class.
        """

    @torch.no_grad()
    def beside(self, images: Tensor, text: Any) -> Any:
        """`remember` of reference images as they are prepared, uint8 (k, S, S, 3)."""
        return self.remember(self.clip.encode_image(images, self.taps), text)


def bank(rows: Tensor) -> Tensor:
    """Rows of several images (k, N, W), L2-normalised, as one memory (k·N, W)."""
    return torch.nn.functional.normalize(rows, dim=-1).flatten(0, 1)


def nearest_distances(rows: Tensor, memory: Tensor) -> Tensor:
    """Half the cosine distance of each row to the nearest one of a memory (WinCLIP, equation 4).

    Args:
        rows: (B, N, W).
        memory: (M, W), L2-normalised.

    Returns:
        (B, N), in [0, 1]. One image at a time: N times M numbers of a batch would fill a GPU.
    """
    unit = torch.nn.functional.normalize(rows, dim=-1)
    nearest = torch.stack([(image @ memory.T).amax(dim=1) for image in unit])
    return ((1 - nearest) / 2).clamp(min=0)


def distances_flop(shapes: Sequence[tuple[int, int]], shots: int) -> float:
    """Operations an image of `nearest_distances` in spaces of N rows of width W, given as (N, W)."""
    return float(sum(2 * shots * rows**2 * width for rows, width in shapes))
