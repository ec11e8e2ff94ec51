"""The text tower against a written-out forward over all 77 positions, and against open_clip's own."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from pipeline.clip.architecture import build_model, import_open_clip
from pipeline.clip.text import Template
from pipeline.errors import ParamsError

from .reference import block, close, doubled, layer_norm, text_features
from .towers import SMALL, Tower, make_tower

# Token ids of AnomalyCLIP's two prompts in the official code.
NORMAL = [49406, *[343] * 12, 14115, 269, 49407]
ABNORMAL = [49406, *[343] * 12, 13568, 14115, 269, 49407]


def reference(tower: Tower, context: torch.Tensor, deep: list[torch.Tensor]) -> torch.Tensor:
    shape = tower.shape
    return text_features(
        [NORMAL, ABNORMAL],
        doubled(tower.state),
        blocks=shape.text_blocks,
        heads=shape.text_heads,
        activation="quickgelu",
        context=context.double(),
        deep=[tokens.double() for tokens in deep],
    )


def learnt(tower: Tower, n_ctx: int, deep: int) -> tuple[torch.Tensor, list[torch.Tensor]]:
    generator = torch.Generator().manual_seed(3)
    width = tower.shape.text_width
    context = torch.randn(2, n_ctx, width, generator=generator)
    return context, [torch.randn(4, width, generator=generator) for _ in range(deep)]


def test_plain_prompts_equal_open_clips_own_forward(tower: Tower) -> None:
    prompts = ["a photo of a normal metal_nut.", "an image", "a photo of the 01 for visual inspection."]
    model = build_model(SMALL.config(), "quickgelu").eval()
    model.load_state_dict(tower.state)
    with torch.no_grad():
        expected = model.encode_text(import_open_clip().tokenizer.tokenize(prompts))
    close(tower.clip.text.encode(prompts), expected)


def test_equal_prompts_are_encoded_once_and_serve_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = make_tower(tmp_path).clip.text
    passes: list[int] = []
    template = text.template

    def counted(words: Sequence[str], n_ctx: int) -> Template:
        passes.append(len(words))
        return template(words, n_ctx)

    monkeypatch.setattr(text, "template", counted)
    with torch.inference_mode():
        first = text.encode(["a bolt", "a torn bolt"])
    with torch.no_grad():
        again = text.encode(["a bolt", "a torn bolt"])
    assert passes == [2]
    assert again is first
    assert not first.is_inference()
    assert not first.requires_grad
    assert not torch.equal(text.encode(["a torn bolt", "a bolt"]), first)


def test_nothing_is_kept_while_the_tower_may_be_in_training(tmp_path: Path) -> None:
    clip = make_tower(tmp_path).clip
    with torch.no_grad():
        before = clip.text.encode(["a bolt"])
        clip.text._model.text_projection.mul_(2)
    torch.testing.assert_close(clip.text.encode(["a bolt"]), 2 * before)


def test_context_in_front_of_the_start_token(tower: Tower) -> None:
    context, _ = learnt(tower, 5, 0)
    template = tower.clip.text.template(["object.", "damaged object."], 5, first=0)
    got = tower.clip.text.encode_template(template, context, [])
    words = [[49406, *ids, 49407] for ids in ([14115, 269], [13568, 14115, 269])]
    w = doubled(tower.state)
    for row, ids in enumerate(words):
        plain = w["token_embedding.weight"][torch.tensor(ids)]
        x = torch.cat([context[row].double(), plain]) + w["positional_embedding"][: 5 + len(ids)]
        for number in range(tower.shape.text_blocks):
            head_width = tower.shape.text_width // tower.shape.text_heads
            x = block(x, w, f"transformer.resblocks.{number}", head_width, "quickgelu", causal=True)
        close(got[row], layer_norm(x[-1], w, "ln_final") @ w["text_projection"])


def test_many_prompts_equal_one_at_a_time(tower: Tower) -> None:
    prompts = [f"{'very ' * (number % 7)}normal thing {number}" for number in range(270)]
    together = tower.clip.text.encode(prompts)
    for number in (0, 5, 255, 256, 269):
        close(together[number], tower.clip.text.encode([prompts[number]])[0], 1e-6)


@pytest.mark.parametrize("deep_layers", [0, 1, 5])
def test_learnt_prompts_match_written_out_forward(tower: Tower, deep_layers: int) -> None:
    context, deep = learnt(tower, 12, deep_layers)
    template = tower.clip.text.template(["object.", "damaged object."], n_ctx=12)
    got = tower.clip.text.encode_template(template, context, deep)
    close(got, reference(tower, context, deep))


def test_gradients_match_written_out_forward(tower: Tower) -> None:
    context, deep = learnt(tower, 12, 5)
    learnt_here = [tensor.clone().requires_grad_() for tensor in (context, *deep)]
    template = tower.clip.text.template(["object.", "damaged object."], n_ctx=12)
    got = tower.clip.text.encode_template(template, learnt_here[0], learnt_here[1:])
    torch.autograd.backward(got.square().sum())
    learnt_there = [tensor.clone().requires_grad_() for tensor in (context, *deep)]
    torch.autograd.backward(reference(tower, learnt_there[0], learnt_there[1:]).square().sum())
    for here, there in zip(learnt_here, learnt_there, strict=True):
        assert here.grad is not None
        assert there.grad is not None
        # The gradient of deep tokens passes through float16: 11 bits.
        assert (here.grad - there.grad).norm() / there.grad.norm() < 2e-3


def test_deep_tokens_are_rounded_to_half_precision(tower: Tower) -> None:
    context, deep = learnt(tower, 12, 2)
    template = tower.clip.text.template(["object.", "damaged object."], n_ctx=12)
    rounded = [tokens.half().float() for tokens in deep]
    encode = tower.clip.text.encode_template
    assert torch.equal(encode(template, context, deep), encode(template, context, rounded))
    tiny = [tokens * (1 + 1e-5) for tokens in rounded]
    assert torch.equal(encode(template, context, tiny), encode(template, context, rounded))


def test_gradients_of_deep_tokens_too_small_for_half_precision_vanish(tower: Tower) -> None:
    """As in the reference code: below 2^-25 they are zero, where those of the context are small."""
    context, deep = learnt(tower, 12, 2)
    leaves = [tensor.requires_grad_() for tensor in (context, *deep)]
    template = tower.clip.text.template(["object.", "damaged object."], n_ctx=12)
    torch.autograd.backward(1e-10 * tower.clip.text.encode_template(template, context, deep).sum())
    of_context, *of_deep = (leaf.grad for leaf in leaves)
    assert of_context is not None
    assert 0 < of_context.abs().max() < 2**-25
    for gradient in of_deep:
        assert gradient is not None
        assert not gradient.any()


def test_overwritten_context_still_acts_through_block_1(tower: Tower) -> None:
    context, deep = learnt(tower, 12, 5)
    template = tower.clip.text.template(["object.", "damaged object."], n_ctx=12)
    base = tower.clip.text.encode_template(template, context, deep)
    for place in (0, 7):
        moved = context.clone()
        moved[:, place] = moved[:, place].flip(-1)
        assert (tower.clip.text.encode_template(template, moved, deep) - base).abs().max() > 1e-4


def test_a_prompt_that_is_too_long_is_refused_and_named(tower: Tower) -> None:
    with pytest.raises(ParamsError, match=r"photo photo.*has 82 tokens, the text tower takes 77"):
        tower.clip.text.encode(["photo " * 80])
    assert tower.clip.text.length("damaged object.") == 5
