"""Learnt context in front of fixed words, and learnt deep tokens inside the text tower (paper 3.2 and 3.3).

`PromptLearner` serves AnomalyCLIP (a context per state, deep tokens) and CoOp (one shared context, none),
`CompoundLearner` GlocalCLIP and FAPrompt. `PromptTuned` is the method that the first three are: text features
from a learner, scores from a readout.
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


class _Vectors(nn.Module):
    """Learnt vectors in the text tower."""

    def __init__(self, clip: Clip, words: Pair, std: float) -> None:
        super().__init__()
        self._clip, self._words, self._std = clip, words, std

    def _undrawn(self, *shape: int) -> nn.Parameter:
        return nn.Parameter(torch.zeros(*shape, self._clip.text.width, device=self._clip.device))

    def reset(self, generator: torch.Generator) -> None:
        """Draw every vector from a normal distribution around 0."""
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * self._std)


class PromptLearner(_Vectors):
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
        super().__init__(clip, words, std)
        self._first = first
        self.context = self._undrawn(*context)
        self.deep = nn.ParameterList([self._undrawn(deep[1]) for _ in range(deep[0])])

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


class CompoundLearner(_Vectors):
    """Text features of "[V]…[V] words" and of abnormal prompts "[V]…[V] [W]…[W] words" that begin likewise.

    The words name no class. There are several groups of prompts, such as a global and a local one, each with
    one normal prompt and some abnormal ones.

    Attributes:
        normal: Vectors of the normal prompts, with which the abnormal ones begin too, (groups, n_ctx, W).
        abnormal: Own vectors of the abnormal ones, (groups, prompts, abnormal_ctx, W).
        deep: As in `PromptLearner`, shared by all.
    """

    def __init__(
        self,
        clip: Clip,
        words: Pair,
        *,
        normal: tuple[int, int],
        abnormal: tuple[int, int],
        deep: tuple[int, int],
    ) -> None:
        """Make a learner with undrawn parameters.

        Args:
            clip: Gives the text tower.
            words: The fixed words.
            normal: Number of groups, and of vectors of a normal prompt.
            abnormal: Number of abnormal prompts in a group, and of own vectors of each.
            deep: Number of deep tensors and of tokens in each.
        """
        super().__init__(clip, words, _STD)
        self.normal = self._undrawn(*normal)
        self.abnormal = self._undrawn(normal[0], *abnormal)
        self.deep = nn.ParameterList([self._undrawn(deep[1]) for _ in range(deep[0])])

    @property
    def abnormal_flop(self) -> float:
        """Operations of the abnormal prompts of a group."""
        prompts, vectors, _ = self.abnormal.shape[1:]
        length = self._clip.text.length(self._words.abnormal) + self.normal.shape[1] + vectors
        return prompts * self._clip.text.flop(length)

    def normal_features(self) -> Tensor:
        """Of the normal prompts, not normalised: (groups, D)."""
        return self._encoded(self._words.normal, self.normal)

    def abnormal_features(self, shifts: Tensor | None = None) -> Tensor:
        """Of the abnormal prompts, not normalised: (groups, prompts, D), or (n, groups, prompts, D).

        Args:
            shifts: (n, W), each added to all own vectors of all prompts; none leaves them as they are.
        """
        own = self.abnormal if shifts is None else self.abnormal + shifts[:, None, None, None]
        begin = self.normal[:, None].expand(*own.shape[:-2], -1, -1)
        return self._encoded(self._words.abnormal, torch.cat([begin, own], dim=-2))

    def _encoded(self, words: str, context: Tensor) -> Tensor:
        text, vectors = self._clip.text, context.flatten(0, -3)
        template = text.template([words] * len(vectors), context.shape[-2])
        return text.encode_template(template, vectors, list(self.deep)).view(*context.shape[:-2], -1)


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


def choose_object_words(method: Method, name: str, n_ctx: int) -> Pair:
    """As `choose_words`, for a method whose text side is one for all classes.

    Raises:
        ParamsError: likewise, or the words have a place for a class name.
    """
    words = choose_words(method, name, n_ctx)
    method.require(not words.class_aware, "prompts", f"{name!r} names the class; take words without {{}}")
    return words


def check_deep(method: Method, layers: int, tokens: int, n_ctx: int) -> None:
    """Refuse deep tensors that the text tower or the learnt vectors have no place for.

    Raises:
        ParamsError: the settings `deep_layers` or `deep_tokens` are too large.
    """
    depth = method.clip.text.depth
    method.require(
        layers < depth, "deep_layers", f"{layers}, but only {depth - 1} text blocks follow the first"
    )
    method.require(
        layers == 0 or tokens <= n_ctx,
        "deep_tokens",
        f"{tokens} tokens would overwrite more than the {n_ctx} learnt vectors of n_ctx",
    )


class PromptTuned(LearntMethod):
    """A learnt method whose parameters are prompts; its constructor makes `_learner` and `_readout`."""

    _learner: PromptLearner | CompoundLearner
    _readout: Readout

    @property
    def taps(self) -> frozenset[Tap]:
        """The class token and the patch tokens that the readout compares with the prompts."""
        return self._readout.taps

    def reset(self, generator: torch.Generator) -> None:
        """Draw every learnt vector from N(0, 0.02²)."""
        self._learner.reset(generator)

    def trainable(self) -> nn.Module:
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
