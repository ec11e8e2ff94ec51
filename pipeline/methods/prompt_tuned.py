"""What prompt-tuned methods share: features come from a prompt learner, scores from a readout."""

import torch
from torch import Tensor

from pipeline.clip import Features, Tap
from pipeline.methods.base import LearntMethod, Scores
from pipeline.methods.prompt_learner import PromptLearner
from pipeline.methods.readout import Readout


class PromptTuned(LearntMethod):
    """A learnt method whose parameters are prompts; its constructor makes `_learner` and `_readout`."""

    _learner: PromptLearner
    _readout: Readout

    @property
    def taps(self) -> frozenset[Tap]:
        """The class token and the patch tokens that the readout compares with the prompts."""
        return self._readout.taps

    def reset(self, generator: torch.Generator) -> None:
        """Draw every learnt vector from N(0, 0.02²)."""
        self._learner.reset(generator)

    def trainable(self) -> PromptLearner:
        """The learnt vectors."""
        return self._learner

    @torch.no_grad()
    def text_features(self, class_name: str) -> Tensor:
        """Features of the learnt prompts; the class name is read only where the words have a place for it."""
        features: Tensor = self._learner([class_name])[0]
        return features

    @torch.no_grad()
    def score(self, features: Features, text: Tensor) -> Scores:
        """Softmax of the class token's similarities; patch probabilities upsampled and smoothed."""
        return self._readout.score(features, text)
