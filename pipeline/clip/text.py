"""The text tower: plain prompts, and prompts with learnt context vectors and deep tokens.

Attention is causal and the feature is read at the end token, so everything after the longest prompt of a
batch is cut off: same numbers, a fraction of the work.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import torch
from torch import Tensor

from pipeline.clip.architecture import import_open_clip, residual_block, upload
from pipeline.errors import ParamsError

_CHUNK = 256  # prompts a pass
_REMEMBERED = 32  # lists of prompts whose embeddings are kept: 1.5 MB for 500 prompts of 768 channels
_PLACEHOLDER = "X"  # stands where a learnt vector goes; its own embedding is replaced


@cache
def _tokenizer() -> Any:
    return import_open_clip().tokenizer.SimpleTokenizer()


@lru_cache(4096)  # a training step asks for the prompts of the step before
def _words(text: str) -> tuple[int, ...]:
    return tuple(_tokenizer().encode(text))


@dataclass(frozen=True)
class Template:
    """Embedded prompts with room for learnt context.

    Attributes:
        embeddings: Token embeddings without positions, (n, L, W).
        ends: Position of each end token, (n,).
        n_ctx: Number of places that learnt vectors take.
        first: Position of the first of them: 1 is behind the start token, 0 in front of it.
    """

    embeddings: Tensor
    ends: Tensor
    n_ctx: int
    first: int = 1


class TextTower:
    """The text side of a loaded CLIP.

    Attributes:
        depth: Number of blocks.
        width: Channels of the token embeddings.
        context_length: Longest prompt in tokens, start and end token included.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._blocks = list(model.transformer.resblocks)
        self.depth = len(self._blocks)
        self.width = int(model.token_embedding.weight.shape[1])
        self.context_length = int(model.context_length)
        self._remembered = lru_cache(_REMEMBERED)(self._encode_frozen)

    def length(self, text: str) -> int:
        """Tokens of a prompt, start and end token included."""
        return len(_words(text)) + 2

    def flop(self, tokens: int) -> float:
        """Operations of a prompt of L `tokens`: 24 L W² + 4 L² W a block, and a projection."""
        width, joint = self._model.text_projection.shape
        block = 24 * tokens * width**2 + 4 * tokens**2 * width
        return float(self.depth * block + 2 * width * joint)

    def encode(self, prompts: Sequence[str]) -> Tensor:
        """Embeddings of prompts, projected but not normalised: (n, D), not to be written to.

        The same prompts come back with every variant and with data sets that share a class, so the last few
        results are kept. With gradients enabled nothing is kept: then the tower itself may be in training.

        Raises:
            ParamsError: a prompt is longer than the context.
        """
        return self._encode(prompts) if torch.is_grad_enabled() else self._remembered(tuple(prompts))

    # Inference tensors could not serve a later training, which may ask for the same prompts.
    @torch.inference_mode(mode=False)
    @torch.no_grad()
    def _encode_frozen(self, prompts: tuple[str, ...]) -> Tensor:
        return self._encode(prompts)

    def _encode(self, prompts: Sequence[str]) -> Tensor:
        parts = []
        for start in range(0, len(prompts), _CHUNK):
            template = self.template(prompts[start : start + _CHUNK], n_ctx=0)
            parts.append(self._run(template.embeddings, template.ends, ()))
        return torch.cat(parts)

    def template(self, words: Sequence[str], n_ctx: int, *, first: int = 1) -> Template:
        """Embed prompts that begin with `n_ctx` places for learnt vectors.

        Args:
            words: What stands behind the places.
            n_ctx: Number of places.
            first: Of the places: 1 behind the start token, 0 in front of it (AF-CLIP).

        Raises:
            ParamsError: a prompt is longer than the context.
        """
        tokens = [self.tokens(" ".join([_PLACEHOLDER] * n_ctx + [text])) for text in words]
        if first == 0:
            tokens = [[*ids[1 : 1 + n_ctx], ids[0], *ids[1 + n_ctx :]] for ids in tokens]
        longest = max(len(ids) for ids in tokens)
        padded = torch.tensor([ids + [0] * (longest - len(ids)) for ids in tokens])
        weight: Tensor = self._model.token_embedding.weight
        ends = torch.tensor([len(ids) - 1 for ids in tokens])
        return Template(weight[upload(padded, weight.device)], upload(ends, weight.device), n_ctx, first)

    def encode_template(self, template: Template, context: Tensor, deep: Sequence[Tensor]) -> Tensor:
        """Embeddings of prompts with learnt context, differentiable in `context` and `deep`: (n, D).

        Args:
            template: n prompts.
            context: Learnt vectors, (n, n_ctx, W) or (1, n_ctx, W); positions are added to them as to any
                token.
            deep: Tensors (Q, W); number i overwrites positions 1 to Q before block i + 2, positions not added
                (AnomalyCLIP, Eq. 3). Each goes through float16, as in the reference code, forwards and
                backwards.
        """
        embeddings, first = template.embeddings, template.first
        context = context.expand(len(embeddings), -1, -1)
        behind = embeddings[:, first + template.n_ctx :]
        embeddings = torch.cat([embeddings[:, :first], context, behind], dim=1)
        return self._run(embeddings, template.ends, deep)

    def tokens(self, text: str) -> list[int]:
        """Ids of a prompt, start and end token included.

        Raises:
            ParamsError: it is longer than the context.
        """
        tokenizer = _tokenizer()
        ids = [tokenizer.sot_token_id, *_words(text), tokenizer.eot_token_id]
        if len(ids) > self.context_length:
            raise ParamsError(
                f"prompt {text!r} has {len(ids)} tokens, the text tower takes {self.context_length}"
            )
        return ids

    def _run(self, embeddings: Tensor, ends: Tensor, deep: Sequence[Tensor]) -> Tensor:
        x = embeddings + self._model.positional_embedding[: embeddings.shape[1]]
        for number, block in enumerate(self._blocks, start=1):
            if 0 <= number - 2 < len(deep):
                x = _overwrite(x, deep[number - 2])
            x = residual_block(block, x, causal=True)
        x = self._model.ln_final(x)
        pooled: Tensor = x[torch.arange(len(x), device=x.device), ends] @ self._model.text_projection
        return pooled


def _overwrite(x: Tensor, tokens: Tensor) -> Tensor:
    rounded = tokens.expand(len(x), -1, -1).half().to(x.dtype)
    return torch.cat([x[:, :1], rounded, x[:, 1 + tokens.shape[0] :]], dim=1)
