"""FAPrompt against a loop written from its description: scores, a training step, and its own ideas."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from pipeline import methods
from pipeline.clip import Global, TowerSpec, load_clip
from pipeline.clip.architecture import build_model, read_config
from pipeline.errors import ParamsError
from pipeline.methods.base import LearntMethod
from tests.clip.reference import close, unit
from tests.clip.towers import Shape, Tower, make_tower, random_images

from .reference import (
    DAMAGED,
    OBJECT,
    Seen,
    focal_dice,
    look,
    paper_map,
    prompt_ids,
    softmax2,
    text_side,
    upsampled,
)
from .test_training_step import COUNT, LABELS, compare, leaves, masks_of

SETTINGS: dict[str, Any] = {
    "n_ctx": 3,
    "abnormal_prompts": 4,
    "abnormal_ctx": 2,
    "deep_layers": 4,
    "deep_tokens": 2,
    "dpam_start": 3,
    "layer": 6,
    "sigma": 1.5,
}
PRIORS = ("first_10", "top_10")
State = dict[str, Tensor]
Pair = tuple[Tensor, Tensor]


def built(tower: Tower, **changes: Any) -> LearntMethod:
    method = methods.build("faprompt", SETTINGS | changes, tower.clip)
    assert isinstance(method, LearntMethod)
    method.reset(torch.Generator().manual_seed(9))
    with torch.no_grad():  # a prior that moves scores
        method.trainable().get_parameter("prior.linear2.weight").mul_(4)
    return method


def raw_text(tower: Tower, state: State, prior: Tensor | None = None) -> tuple[Tensor, list[Tensor]]:
    """Features of the normal prompt and of every abnormal one, not normalised."""
    deep = [state[f"prompts.deep.{number}"] for number in range(4)]
    begin = state["prompts.normal"][0]
    normal = text_side(tower, [prompt_ids(OBJECT, len(begin))], begin[None], deep)[0]
    abnormal = []
    for own in state["prompts.abnormal"][0]:
        whole = torch.cat([begin, own if prior is None else own + prior])
        abnormal.append(text_side(tower, [prompt_ids(DAMAGED, len(whole))], whole[None], deep)[0])
    return normal, abnormal


def pair(normal: Tensor, abnormal: list[Tensor]) -> Pair:
    return unit(normal), unit(torch.stack(abnormal).mean(0))


def prior_of(patches: Tensor, abnormal: Tensor, state: State, kind: str) -> Tensor:
    """Ten normalised patches, one behind the other, through two layers."""
    order = range(10) if kind == "first_10" else np.argsort(-abnormal.detach().numpy())[:10].tolist()
    chosen = torch.cat([unit(patches[int(index)]) for index in order])
    hidden = state["prior.linear1.weight"].double() @ chosen + state["prior.linear1.bias"]
    return state["prior.linear2.weight"].double() @ hidden.clamp(min=0) + state["prior.linear2.bias"]


def walk(tower: Tower, seen: Seen, state: State, kind: str) -> dict[str, Tensor]:
    """Both maps' patch probabilities, the image's, its score and its prior."""
    patches = seen.steps.projected(seen.steps.streams["vv"][6])
    first = softmax2(patches, *pair(*raw_text(tower, state)), 0.07)
    prior = prior_of(patches, first[:, 1], state, kind)
    own = pair(*raw_text(tower, state, prior))
    second, image = softmax2(patches, *own, 0.07), softmax2(seen.steps.head(ln_post=False), *own, 0.07)
    score = (image[1] + (2 * first[:, 1].max() + second[:, 1].max()) / 3) / 2
    return {"first": first, "second": second, "image": image, "score": score, "prior": prior}


def scores_agree(tower: Tower, prior: str) -> None:
    method, images = built(tower, prior=prior), random_images(2, tower.size)
    text = method.text_features("bottle")
    assert text is not None
    close(text, torch.stack(pair(*raw_text(tower, method.state()))))
    scores = method.score(tower.clip.encode_image(images, method.taps), text)
    for row, image in enumerate(images):
        found = walk(tower, look(tower, image, start=3), method.state(), prior)
        close(scores.image[row], found["score"])
        close(scores.maps[row], paper_map([found["first"], found["second"]], tower.size, 1.5) / 2)


def step_agrees(tower: Tower, prior: str) -> None:
    method, images = built(tower, prior=prior), random_images(COUNT, tower.size)
    features = tower.clip.encode_image(images, method.loss_taps)
    losses = method.loss(features, LABELS, masks_of(tower.size), ["a"] * COUNT)
    torch.autograd.backward(losses.total)
    there = leaves(method)
    found = [walk(tower, look(tower, image, start=3), there, prior) for image in images]
    chosen = [one["image"][label] for one, label in zip(found, LABELS, strict=True)]
    logits = torch.stack([one["score"] for one in found])
    right = torch.where(LABELS == 1, logits.sigmoid(), (-logits).sigmoid())
    abnormal = raw_text(tower, there)[1]
    parts = {
        "global": -torch.log(torch.stack(chosen)).mean(),
        "score": (-((1 - right) ** 2) * torch.log(right)).mean(),
        "likeness": torch.stack(
            [abs(unit(one) @ unit(other)) for place, one in enumerate(abnormal) for other in abnormal[:place]]
        ).sum(),
        "prior": torch.stack(
            [(one["prior"] ** 2).mean() for one, label in zip(found, LABELS, strict=True) if label == 0]
        ).sum(),
    }
    total = parts["global"] + parts["score"] + 0.1 * parts["likeness"] + parts["prior"]
    for place, weight, name in ((1, 1.0, "first"), (2, 0.5, "second")):
        maps = [
            torch.stack([upsampled(one[name][:, side].reshape(6, 6), tower.size) for one in found])
            for side in (0, 1)
        ]
        for part, value in focal_dice(maps[0], maps[1], masks_of(tower.size)).items():
            parts[f"{part}_{place}"] = value
            total = total + weight * value
    compare(method, losses, parts, total, there)


@pytest.mark.parametrize("prior", PRIORS)
def test_scores(tower: Tower, prior: str) -> None:
    scores_agree(tower, prior)


@pytest.mark.parametrize("prior", PRIORS)
def test_a_training_step(tower: Tower, prior: str) -> None:
    step_agrees(tower, prior)


def test_each_image_has_a_text_of_its_own_from_its_ten_patches(tower: Tower) -> None:
    """As coded: patches behind the tenth move the map by their own similarities, and no other patch's."""
    method, images = built(tower), random_images(2, tower.size)
    features, text = tower.clip.encode_image(images, method.taps), method.text_features("")
    before = method.score(features, text)
    patches = next(tap for tap in method.taps if features[tap].dim() == 3)
    moved = dict(features)
    for place, reaches in ((20, False), (3, True)):
        altered = features[patches].clone()
        altered[0, place] = altered[0, place].flip(-1)
        moved[patches] = altered
        after = method.score(moved, text)
        corner = (before.maps - after.maps).abs()[0, -6:, -6:].max().item()  # far from both places
        assert (corner > 1e-6) == reaches, place
        assert torch.equal(before.maps[1], after.maps[1])


def test_normal_images_and_like_prompts_are_what_the_weights_are_of(tower: Tower) -> None:
    """Without normal images there is no loss of priors; equal prompts are as like as can be."""
    method, images = built(tower), random_images(COUNT, tower.size)
    features = tower.clip.encode_image(images, method.taps)
    state = method.state()
    state["prompts.abnormal"] = state["prompts.abnormal"][:, :1].expand(-1, 4, -1, -1).clone()
    method.load_state(state)
    losses = method.loss(features, torch.ones(COUNT, dtype=torch.int64), masks_of(tower.size), ["a"] * COUNT)
    assert losses.parts["prior"].item() == 0
    assert losses.parts["likeness"].item() == pytest.approx(4 * 3 / 2, rel=1e-5)


def test_default_settings() -> None:
    settings = methods.get("faprompt").parse({})
    wanted = {"n_ctx": 5, "abnormal_prompts": 10, "abnormal_ctx": 2, "deep_layers": 8, "deep_tokens": 4}
    wanted |= {"layer": 24, "sigma": 10}
    assert {key: getattr(settings, key) for key in wanted} == wanted
    assert settings.prior == "first_10"  # type: ignore[attr-defined]
    (stage,) = settings.training_on("mvtec")  # type: ignore[attr-defined]
    assert (stage.epochs, stage.batch, stage.lr, stage.redrawn) == (15, 8, 1e-3, 0)


def test_initial_values(tower: Tower) -> None:
    method = methods.build("faprompt", SETTINGS | {"n_ctx": 60}, tower.clip)
    assert isinstance(method, LearntMethod)
    state = method.state()
    assert state["prompts.normal"].std().item() == pytest.approx(0.02, rel=0.08)
    assert {name: tuple(value.shape) for name, value in state.items() if name.startswith("prior.")} == {
        "prior.linear1.weight": (15, 240),
        "prior.linear1.bias": (15,),
        "prior.linear2.weight": (32, 15),
        "prior.linear2.bias": (32,),
    }
    assert state["prior.linear1.weight"].abs().max().item() == pytest.approx(240**-0.5, rel=0.01)


def test_operations_of_an_image_are_those_of_its_prompts() -> None:
    """At 518 px ten prompts of 12 tokens and the prior: counted by torch, and 20.5 GFLOP by hand."""
    spec = TowerSpec("main", "ViT-L-14-336", "none", 518, "bilinear", "quickgelu")
    state = build_model(read_config(spec.model), spec.activation, device="meta").state_dict()
    clip = load_clip(spec, "meta", state)
    method = methods.build("faprompt", {}, clip)
    features = {
        tap: torch.empty((1, 768) if isinstance(tap, Global) else (1, 37**2, 768), device="meta")
        for tap in method.taps
    }
    with FlopCounterMode(display=False) as counter:
        method.score(features, torch.empty(2, 768, device="meta"))
    by_hand = 10 * (12 * (24 * 12 * 768**2 + 4 * 12**2 * 768) + 2 * 768**2) + 2 * 480 * (7680 + 768)
    assert method.flop == by_hand
    assert method.flop == pytest.approx(counter.get_total_flops(), rel=0.02)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"abnormal_ctx": 73}, r"n_ctx: 76 vectors do not fit"),
        ({"deep_tokens": 4}, r"deep_tokens: 4 tokens would overwrite"),
        ({"dpam_start": 6, "layer": 5}, r"dpam_start: 6 lies behind block 5"),
        ({"prior": "top_5"}, r"prior: Input should be 'first_10' or 'top_10'"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(tower: Tower, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ParamsError, match=r"methods\.faprompt\." + message):
        built(tower, **changes)


def test_a_tower_with_fewer_than_ten_patches_is_refused(tmp_path: Any) -> None:
    small = make_tower(tmp_path, size=24, shape=Shape(pretrain=24))
    with pytest.raises(ParamsError, match=r"methods\.faprompt\.prior: needs 10 patches, .* has 9"):
        methods.build("faprompt", SETTINGS, small.clip)
