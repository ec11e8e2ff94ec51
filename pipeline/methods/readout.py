"""Scores from a class token and the patch tokens of some blocks, as all but WinCLIP and VAND do it."""

from dataclasses import dataclass

from torch import Tensor

from pipeline.clip import Features, Global, Local, Tap
from pipeline.methods.base import Scores
from pipeline.methods.similarity import anomaly_maps, probabilities


@dataclass(frozen=True)
class Readout:
    """Which tokens are read and how their similarities become scores.

    Attributes:
        head: The class token.
        patches: The patch tokens, one tap a block.
        temperature: Of the softmax over the two classes.
        size: Side of the maps.
        sigma: Of the Gaussian on the map, in pixels.
    """

    head: Global
    patches: tuple[Local, ...]
    temperature: float
    size: int
    sigma: float

    @property
    def taps(self) -> frozenset[Tap]:
        """All that is read."""
        return frozenset([self.head, *self.patches])

    def score(self, features: Features, text: Tensor) -> Scores:
        """Abnormal probability of the class token; patch probabilities upsampled, summed and smoothed.

        Args:
            features: At least `taps`, of B images.
            text: (2, D), normalised, normal first.

        Returns:
            Image scores in [0, 1], maps from 0 to the number of `patches`.
        """
        image = probabilities(features[self.head], text, self.temperature)[:, 1]
        layers = [probabilities(features[tap], text, self.temperature) for tap in self.patches]
        return Scores(image, anomaly_maps(layers, self.size, self.sigma))
