"""GlocalCLIP against a loop written from its description: scores, a training step, and its own ideas."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from pipeline import methods
from pipeline.errors import ParamsError
from pipeline.methods.base import LearntMethod
from tests.clip.reference import close, unit
from tests.clip.towers import Tower, random_images

from .reference import (
    DAMAGED,
    OBJECT,
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
    "n_ctx": 5,
    "abnormal_ctx": 3,
    "deep_layers": 4,
    "deep_tokens": 2,
    "dpam_start": 3,
    "layers": (6,),
    "sigma": 1.5,
}
AS_CODED, AS_WRITTEN = {"layers": (6,)}, {"layers": (4, 6), "local_weight": 1.0, "margin": 0.9}
State = dict[str, Tensor]


def built(tower: Tower, **changes: Any) -> LearntMethod:
    method = methods.build("glocalclip", SETTINGS | changes, tower.clip)
    assert isinstance(method, LearntMethod)
    method.reset(torch.Generator().manual_seed(9))
    return method


def texts_of(tower: Tower, state: State) -> dict[str, tuple[Tensor, Tensor]]:
    """Normal and abnormal text of both pairs, prompt by prompt."""
    deep = [state[f"deep.{number}"] for number in range(4)]
    found = {}
    for place, name in enumerate(("global", "local")):
        begin, own = state["normal"][place], state["abnormal"][place, 0]
        whole = torch.cat([begin, own])
        normal = text_side(tower, [prompt_ids(OBJECT, len(begin))], begin[None], deep)[0]
        abnormal = text_side(tower, [prompt_ids(DAMAGED, len(whole))], whole[None], deep)[0]
        found[name] = (unit(normal), unit(abnormal))
    return found


def scores_agree(tower: Tower, **changes: Any) -> None:
    method, images = built(tower, **changes), random_images(2, tower.size)
    texts, layers = texts_of(tower, method.state()), (SETTINGS | changes)["layers"]
    own = method.text_features("bottle")
    assert own is not None
    close(own, torch.stack([torch.stack(texts["global"]), torch.stack(texts["local"])]))
    scores = method.score(tower.clip.encode_image(images, method.taps), own)
    for row, image in enumerate(images):
        steps = look(tower, image, start=3).steps
        close(scores.image[row], softmax2(steps.head(ln_post=False), *texts["global"], 0.07)[1])
        patches = [
            softmax2(steps.projected(steps.streams["vv"][layer]), *texts["local"], 0.07) for layer in layers
        ]
        close(scores.maps[row], paper_map(patches, tower.size, 1.5))


def distance(one: Tensor, other: Tensor) -> Tensor:
    """With 1e-6 added to each component of the difference, as torch has it."""
    return ((one - other + 1e-6) ** 2).sum().sqrt()


def step_agrees(tower: Tower, **changes: Any) -> None:
    method, images = built(tower, glocal_weight=0.7, **changes), random_images(COUNT, tower.size)
    chosen = {"local_weight": 4.0, "margin": 0.0} | SETTINGS | changes
    features = tower.clip.encode_image(images, method.loss_taps)
    losses = method.loss(features, LABELS, masks_of(tower.size), ["a"] * COUNT)
    torch.autograd.backward(losses.total)
    there = leaves(method)
    texts = texts_of(tower, there)
    seen = [look(tower, image, start=3).steps for image in images]
    entropies = [
        -torch.log(softmax2(one.head(ln_post=False), *texts["global"], 0.07)[label])
        for one, label in zip(seen, LABELS, strict=True)
    ]
    parts = {"global": torch.stack(entropies).mean()}
    for layer in chosen["layers"]:
        sides: tuple[list[Tensor], list[Tensor]] = ([], [])
        for one in seen:
            both = softmax2(one.projected(one.streams["vv"][layer]), *texts["local"], 0.07)
            for side, found in enumerate(sides):
                found.append(upsampled(both[:, side].reshape(6, 6), tower.size))
        for name, value in focal_dice(
            torch.stack(sides[0]), torch.stack(sides[1]), masks_of(tower.size)
        ).items():
            parts[name] = parts.get(name, torch.zeros(())) + value
    glocal = torch.zeros(())
    for state in (0, 1):
        anchor, other = texts["global"][state], texts["local"]
        near = (chosen["margin"] - distance(anchor, other[1 - state])).clamp(min=0)
        glocal = glocal + distance(anchor, other[state]) ** 2 + near**2
    parts["glocal"] = glocal
    local = parts["focal"] + parts["dice_abnormal"] + parts["dice_normal"]
    total = parts["global"] + chosen["local_weight"] * local + 0.7 * glocal
    compare(method, losses, parts, total, there)


@pytest.mark.parametrize("changes", [AS_CODED, AS_WRITTEN], ids=["as_coded", "as_written"])
@pytest.mark.parametrize("check", [scores_agree, step_agrees])
def test_it_agrees_with_the_loop(tower: Tower, check: Callable[..., None], changes: dict[str, Any]) -> None:
    check(tower, **changes)


def test_global_and_local_prompts_are_decoupled(tower: Tower) -> None:
    """Vectors of the local prompts move the map and no image score; those of the global ones the reverse."""
    method, images = built(tower), random_images(2, tower.size)
    features, pristine = tower.clip.encode_image(images, method.taps), method.state()
    before = method.score(features, method.text_features(""))
    for place, (moves_image, moves_map) in enumerate([(True, False), (False, True)]):
        for vectors in ("normal", "abnormal"):
            moved = {name: value.clone() for name, value in pristine.items()}
            moved[vectors][place] += 0.5
            method.load_state(moved)
            after = method.score(features, method.text_features(""))
            assert torch.equal(before.image, after.image) != moves_image
            assert torch.equal(before.maps, after.maps) != moves_map


def test_at_margin_0_unlike_states_pull_nothing(tower: Tower) -> None:
    features = tower.clip.encode_image(random_images(COUNT, tower.size), built(tower).taps)
    found = [
        built(tower, margin=margin)
        .loss(features, LABELS, masks_of(tower.size), ["a"] * COUNT)
        .parts["glocal"]
        for margin in (0.0, 2.0)
    ]
    pulled = built(tower).text_features("")
    assert pulled is not None
    alike = ((pulled[0] - pulled[1] + 1e-6) ** 2).sum()
    assert found[0].item() == pytest.approx(alike.item(), rel=1e-5)
    assert found[1] > found[0]


def test_default_settings() -> None:
    settings = methods.get("glocalclip").parse({})
    wanted = {
        "n_ctx": 12,
        "abnormal_ctx": 12,
        "deep_layers": 8,
        "deep_tokens": 4,
        "layers": (24,),
        "sigma": 8,
    }
    assert {key: getattr(settings, key) for key in wanted} == wanted
    (stage,) = settings.training_on("mvtec")  # type: ignore[attr-defined]
    assert (stage.epochs, stage.batch, stage.lr, stage.redrawn) == (15, 8, 1e-3, 0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"abnormal_ctx": 70}, r"n_ctx: 75 vectors do not fit"),
        ({"deep_tokens": 6}, r"deep_tokens: 6 tokens would overwrite"),
        ({"dpam_start": 7}, r"dpam_start: 7, but the image tower has 6"),
        ({"prompts": "none"}, r"prompts: 'none' is not one of object"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(tower: Tower, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ParamsError, match=r"methods\.glocalclip\." + message):
        built(tower, **changes)


def test_words_that_name_a_class_are_refused(tower: Tower, tmp_path: Any) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("pairs:\n  object:\n    normal: '{}.'\n    abnormal: 'damaged {}.'\n")
    with pytest.raises(ParamsError, match=r"methods\.glocalclip\.prompts: 'object' names the class"):
        methods.build("glocalclip", SETTINGS, tower.clip, path)
