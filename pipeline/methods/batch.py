"""The contract of the batch track: methods whose scores of an image depend on all images of its subset.

Such a method is never ranked among those that see one image at a time. It gets the features of the whole
subset at once and hands back scores piece by piece, so that its memory can be bounded.
"""

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar

import torch

from pipeline.clip import Features
from pipeline.methods.base import Method, Scores


class BatchMethod(Method):
    """A method that scores a subset as a whole."""

    track: ClassVar[str] = "batch"

    @abstractmethod
    def score_subset(self, features: Features, text: Any, batch: int) -> Iterator[Scores]:
        """Scores of all N images of a subset; no gradient.

        Args:
            features: Its taps, one tensor (N, ...) each. They may be memory-mapped files, or lie on another
                device than the tower: take some images at a time, and move those to `self.clip.device`.
            text: `text_features` of their class.
            batch: Images of each piece that is handed back; the last one may be smaller. The pieces are
                those of all images in order.

        Raises:
            DataError: there are too few images; the message says how many are needed.
        """

    def score(self, features: Features, text: Any) -> Scores:
        """Scores of the given images as a subset of their own."""
        pieces = list(self.score_subset(features, text, len(next(iter(features.values())))))
        return Scores(torch.cat([it.image for it in pieces]), torch.cat([it.maps for it in pieces]))

    def subset_flop(self, images: int) -> float:
        """Operations of `score_subset` for all images together, beside the tower's pass; see `flop`."""
        return images * self.flop
