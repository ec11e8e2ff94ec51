"""The official checkpoint formats: state dicts of released files to our tensors, and back.

A format knows no files and no digests; `interchange` does. AnomalyCLIP's is the state dict of its prompt
learner: two contexts (pos is normal, neg is abnormal) and the deep tokens were learnt. The embeddings around
the contexts are the text tower's own, so they say which tower and which words a file belongs to: they are
checked and, on the way out, taken from the tower. The projections are registered in the public code but never
called: they are dropped, and written as zeros on the way out, where the official loader only wants them to be
there. VAND's is its linear layers, named as our own.
"""

from collections.abc import Mapping
from typing import Any, Protocol

import torch
from torch import Tensor

from pipeline.clip import Clip
from pipeline.errors import WeightsError
from pipeline.methods.anomalyclip import AnomalyClip
from pipeline.methods.base import LearntMethod
from pipeline.methods.prompt_data import Pair, pairs, published_prompts
from pipeline.methods.vand import Vand

State = Mapping[str, Tensor]

IDS = "tokenized_prompts_"
"""First part of the names of tensors that hold token numbers, not weights."""

_SIDES = ("pos", "neg")  # normal and abnormal, in the order of our own contexts
_DEEP = "compound_prompts_text."
_UNUSED = "compound_prompt_projections."
_UNUSED_WIDTH = 896  # of the projections, whatever the tower
_PLACEHOLDER = "X"


class Format(Protocol):
    """One official format.

    Attributes:
        method: The method of this package that reads it.
        key: Top-level key of the released file, over the state dict.
    """

    method: str
    key: str

    def settings(self, state: State, clip: Clip, given: Mapping[str, Any]) -> dict[str, Any]:
        """The settings that names and shapes of `state` decide.

        Args:
            state: As in the file.
            clip: The tower that it is meant for; frozen parts are compared with it.
            given: Settings that are chosen already, for those that shapes leave open.

        Raises:
            WeightsError: names or shapes are not those of the format, or the tower is another one.
        """

    def learnt(self, state: State) -> dict[str, Tensor]:
        """The tensors of `LearntMethod.load_state`; `state` has passed `settings`."""

    def official(self, method: LearntMethod) -> dict[str, Tensor]:
        """The complete state dict that the official loader expects.

        Raises:
            WeightsError: the method runs under settings that the format cannot hold.
        """


class AnomalyClipFormat:
    """See `pipeline.training.formats.Format`."""

    method = AnomalyClip.name
    key = "prompt_learner"

    def settings(self, state: State, clip: Clip, given: Mapping[str, Any]) -> dict[str, Any]:
        """Lengths from the shapes, the words from the frozen tokens, the last block where none is chosen."""
        context = tuple(state["ctx_pos"].shape) if "ctx_pos" in state else "missing"
        if len(context) != 4:
            raise WeightsError(f"ctx_pos is {context}, expected (1, 1, context length, width)")
        n_ctx, deep = int(context[2]), numbered(state, _DEEP)
        tokens = len(state[f"{_DEEP}0"]) if deep and state[f"{_DEEP}0"].dim() else 1
        require_shapes(state, _shapes(clip, n_ctx, deep, tokens))
        shaped = {"n_ctx": n_ctx, "deep_layers": deep, "deep_tokens": tokens}
        layers = {} if "layers" in given else {"layers": [clip.vision.depth]}
        return shaped | layers | {"prompts": _find_words(state, clip, n_ctx)}

    def learnt(self, state: State) -> dict[str, Tensor]:
        """Both contexts as one tensor, and the deep tokens."""
        deep = {f"deep.{number}": state[f"{_DEEP}{number}"] for number in range(numbered(state, _DEEP))}
        return {"context": torch.stack([state[f"ctx_{side}"][0, 0] for side in _SIDES]), **deep}

    def official(self, method: LearntMethod) -> dict[str, Tensor]:
        """The learnt parts of `method`, the frozen ones of its tower, and zeros for what is never called."""
        if not isinstance(method, AnomalyClip):
            raise WeightsError(f"{method.name} has no place in an AnomalyCLIP checkpoint")
        settings, learnt = method.settings, method.state()
        words = pairs(method.prompts)[settings.prompts]
        if words.class_aware or settings.n_ctx == 0:
            raise WeightsError(
                "the official format holds learnt context before fixed words only;"
                f" this one was tuned with prompts {settings.prompts}, n_ctx {settings.n_ctx}"
            )
        state = {f"ctx_{side}": learnt["context"][number][None, None] for number, side in enumerate(_SIDES)}
        for number in range(settings.deep_layers):
            state[f"{_DEEP}{number}"] = learnt[f"deep.{number}"]
            state[f"{_UNUSED}{number}.weight"] = torch.zeros(_UNUSED_WIDTH, method.clip.text.width)
            state[f"{_UNUSED}{number}.bias"] = torch.zeros(_UNUSED_WIDTH)
        return state | _frozen(words, method.clip, settings.n_ctx)


def _shapes(clip: Clip, n_ctx: int, deep: int, tokens: int) -> dict[str, tuple[int, ...]]:
    width, length = clip.text.width, clip.text.context_length
    shapes: dict[str, tuple[int, ...]] = {}
    for side in _SIDES:
        shapes[f"ctx_{side}"] = (1, 1, n_ctx, width)
        shapes[f"token_prefix_{side}"] = (1, 1, 1, width)
        shapes[f"token_suffix_{side}"] = (1, 1, length - 1 - n_ctx, width)
        shapes[f"{IDS}{side}"] = (1, 1, length)
    for number in range(deep):
        shapes[f"{_DEEP}{number}"] = (tokens, width)
        shapes[f"{_UNUSED}{number}.weight"] = (_UNUSED_WIDTH, width)
        shapes[f"{_UNUSED}{number}.bias"] = (_UNUSED_WIDTH,)
    return shapes


def _frozen(words: Pair, clip: Clip, n_ctx: int) -> dict[str, Tensor]:
    """Ids and embeddings of the two fixed prompts, padded to the whole context, without the learnt places."""
    text = clip.text
    filler = " ".join([_PLACEHOLDER] * (text.context_length - 2 - n_ctx))  # makes the template pad the words
    state: dict[str, Tensor] = {}
    for side, phrase in zip(_SIDES, words.fill(""), strict=True):
        embeddings = text.template([phrase, filler], n_ctx).embeddings[:1].cpu()
        ids = text.tokens(" ".join([_PLACEHOLDER] * n_ctx + [phrase]))
        padded = torch.tensor(ids + [0] * (text.context_length - len(ids)), dtype=torch.int32)
        state[f"token_prefix_{side}"] = embeddings[None, :, :1].clone()
        state[f"token_suffix_{side}"] = embeddings[None, :, 1 + n_ctx :].clone()
        state[f"{IDS}{side}"] = padded[None, None]
    return state


def _find_words(state: State, clip: Clip, n_ctx: int) -> str:
    """Name of the pair of words whose ids the file holds, its embeddings checked against the tower's."""
    for name, words in pairs(published_prompts(AnomalyClip.name)).items():
        if words.class_aware:
            continue
        frozen = _frozen(words, clip, n_ctx)
        ids = [key for key in frozen if key.startswith(IDS)]
        if not all(torch.equal(frozen[key].long(), state[key].long()) for key in ids):
            continue
        for key in sorted(frozen.keys() - set(ids)):
            # As near as float16, in which some copies of a tower are stored.
            if not torch.allclose(frozen[key], state[key].float(), rtol=1e-3, atol=1e-4):
                raise WeightsError(
                    f"{key} is not the embedding of tower {clip.spec.name}: it was tuned on another one"
                )
        return name
    raise WeightsError("tokenized_prompts_pos and _neg are no words of prompts/anomalyclip.yaml: add a pair")


class VandFormat:
    """See `pipeline.training.formats.Format`."""

    method = Vand.name
    key = "trainable_linearlayer"

    def settings(self, state: State, clip: Clip, given: Mapping[str, Any]) -> dict[str, Any]:
        """As many layers as there are in the file; where none are chosen, evenly spaced up to the last block.

        On 24 blocks four layers are 6, 12, 18 and 24, those of the public code.
        """
        count = numbered(state, "fc.", ".weight")
        if not count:
            raise WeightsError("fc.0.weight is missing")
        sides = (clip.embed_dim, clip.vision.width)
        shapes: dict[str, tuple[int, ...]] = {}
        for number in range(count):
            shapes |= {f"fc.{number}.weight": sides, f"fc.{number}.bias": sides[:1]}
        require_shapes(state, shapes)
        return spaced_layers(self.method, count, clip.vision.depth, given)

    def learnt(self, state: State) -> dict[str, Tensor]:
        """The same tensors."""
        return dict(state)

    def official(self, method: LearntMethod) -> dict[str, Tensor]:
        """The same tensors."""
        return method.state()


def spaced_layers(method: str, count: int, depth: int, given: Mapping[str, Any]) -> dict[str, list[int]]:
    """The setting `layers` of a file with `count` of them: evenly spaced up to the last block, unless chosen.

    Raises:
        WeightsError: others are chosen, or they do not divide the tower's blocks.
    """
    if len(chosen := given.get("layers", range(count))) != count:
        raise WeightsError(f"it holds {count} linear layers, methods.{method}.layers names {len(chosen)}")
    if "layers" in given:
        return {}
    if depth % count:
        raise WeightsError(f"{count} layers do not divide {depth} blocks evenly: set methods.{method}.layers")
    return {"layers": [depth // count * number for number in range(1, count + 1)]}


def numbered(state: State, prefix: str, suffix: str = "") -> int:
    """How many of `prefix0suffix`, `prefix1suffix`, ... there are without a gap."""
    count = 0
    while f"{prefix}{count}{suffix}" in state:
        count += 1
    return count


def require_shapes(state: State, expected: Mapping[str, tuple[int, ...]]) -> None:
    """Refuse a state dict with other names or shapes than expected.

    Raises:
        WeightsError: the first such name, in alphabetical order.
    """
    for name in sorted(state.keys() | expected.keys()):
        found = tuple(state[name].shape) if name in state else "missing"
        wanted = expected.get(name, "no such tensor")
        if found != wanted:
            raise WeightsError(f"{name} is {found}, expected {wanted}")
