"""Learnt context in front of fixed words, and learnt deep tokens inside the text tower (paper 3.2 and 3.3).

The learner serves AnomalyCLIP (a context per state, deep tokens) and CoOp (one shared context, none);
`PromptTuned` is the method that both are: features from a learner, scores from a readout.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from pipeline.clip import Clip, Features, Tap
from pipeline.clip.architecture import upload
from pipeline.methods.base import LearntMethod, Method, Scores
from pipeline.methods.prompt_data import Pair, pairs
from pipeline.methods.readout import Readout

_STD = 0.02  # of the initial vectors, unless a method says otherwise


class PromptLearner(nn.Module):
    """Text features of "[V]…[V] words" for the normal and the abnormal words of a class.

    Attributes:
        context: Learnt vectors, (2, n_ctx, W) for normal and abnormal, or (1, n_ctx, W) shared by both.
        deep: Tensors (deep_tokens, W), shared by both prompts, one a text block from the second on.
    """

    def __init__(
        self,
        clip: Clip,
        words: Pair,
        *,
        context: tuple[int, int],
        deep: tuple[int, int] = (0, 0),
        first: int = 1,
        std: float = _STD,
    ) -> None:
        """Make a learner with undrawn parameters.

        Args:
            clip: Gives the text tower.
            words: The fixed words.
            context: Number of contexts (1 or 2) and of vectors in each.
            deep: Number of deep tensors and of tokens in each.
            first: Position of the first vector, as in `TextTower.template`.
            std: Of the initial vectors.
        """
        super().__init__()
        width = clip.text.width
        self._clip = clip
        self._words, self._first, self._std = words, first, std
        self.context = nn.Parameter(torch.zeros(*context, width, device=clip.device))
        tensors = [nn.Parameter(torch.zeros(deep[1], width, device=clip.device)) for _ in range(deep[0])]
        self.deep = nn.ParameterList(tensors)

    def reset(self, generator: torch.Generator) -> None:
        """Draw every vector from a normal distribution around 0."""
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * self._std)

    def forward(self, class_names: Sequence[str]) -> Tensor:
        """Normalised text features, one pass for all distinct classes: (n, 2, D)."""
        # CoOp's code, and AnomalyCLIP's after it, write class names with spaces: "metal nut".
        wanted = [name.replace("_", " ") if self._words.class_aware else "" for name in class_names]
        distinct = sorted(set(wanted))
        words = [text for name in distinct for text in self._words.fill(name)]
        template = self._clip.text.template(words, self.context.shape[1], first=self._first)
        context = self.context.repeat(len(words) // len(self.context), 1, 1)
        pooled = self._clip.text.encode_template(template, context, list(self.deep))
        features = normalize(pooled, dim=-1).view(len(distinct), 2, -1)
        places = torch.tensor([distinct.index(name) for name in wanted])
        return features[upload(places, features.device)]


def choose_words(method: Method, name: str, n_ctx: int) -> Pair:
    """The pair of words that a setting names, checked against the length of the text tower's context.

    Raises:
        ParamsError: there is no such pair, or no room for `n_ctx` vectors in front of it.
    """
    known = pairs(method.prompts)
    method.require(name in known, "prompts", f"{name!r} is not one of {', '.join(known)}")
    text = method.clip.text
    room = text.context_length - max(text.length(words) for words in known[name].fill("object"))
    method.require(n_ctx <= room, "n_ctx", f"{n_ctx} vectors do not fit, the text tower has room for {room}")
    return known[name]


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
