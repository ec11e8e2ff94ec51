"""One training step of every learnt method against autograd through the written-out computation."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from pipeline import methods
from pipeline.methods.base import LearntMethod, Losses
from tests.clip.reference import unit
from tests.clip.towers import Tower, make_tower, random_images

from .reference import DAMAGED, OBJECT, focal_dice, look, prompt_ids, softmax2, text_side, upsampled
from .test_methods_reference import SETTINGS, SHORT, ensemble, tokens

TOLERANCE = 1e-4
COUNT = 3
LABELS = torch.tensor([0, 1, 1])


def masks_of(size: int) -> Tensor:
    masks = torch.zeros(COUNT, size, size, dtype=torch.bool)
    masks[1, 5:20, 8:30] = True
    masks[2, 30:, 40:] = True
    return masks


def stepped(name: str, tower: Tower, class_names: Sequence[str]) -> tuple[LearntMethod, Losses]:
    """The package's loss with its gradients."""
    method = methods.build(name, SETTINGS[name], tower.clip)
    assert isinstance(method, LearntMethod)
    method.reset(torch.Generator().manual_seed(9))
    features = tower.clip.encode_image(random_images(COUNT, tower.size), method.taps)
    losses = method.loss(features, LABELS, masks_of(tower.size), class_names)
    torch.autograd.backward(losses.total)
    return method, losses


def leaves(method: LearntMethod) -> dict[str, Tensor]:
    return {name: value.double().requires_grad_() for name, value in method.state().items()}


def compare(
    method: LearntMethod, losses: Losses, parts: dict[str, Tensor], total: Tensor, there: dict[str, Tensor]
) -> None:
    """Loss parts, total, and gradients, by norm and by direction."""
    assert losses.parts.keys() == parts.keys()
    for name, value in parts.items():
        assert losses.parts[name].item() == pytest.approx(value.item(), rel=TOLERANCE)
    assert losses.total.item() == pytest.approx(total.item(), rel=TOLERANCE)
    torch.autograd.backward(total)
    for name, parameter in method.trainable().named_parameters():
        expected = there[name].grad
        assert parameter.grad is not None
        assert expected is not None
        # Deep tokens' gradients pass through float16 on both sides and may round apart.
        tolerance = 2e-3 if "deep." in name else TOLERANCE
        assert parameter.grad.norm().item() == pytest.approx(expected.norm().item(), rel=tolerance)
        assert ((parameter.grad - expected).norm() / expected.norm()).item() < tolerance


def grid(patches: Tensor, size: int) -> tuple[Tensor, Tensor]:
    side = round(len(patches) ** 0.5)
    return upsampled(patches[:, 0].reshape(side, side), size), upsampled(
        patches[:, 1].reshape(side, side), size
    )


def test_anomalyclip(tmp_path: Path) -> None:
    tower = make_tower(tmp_path)
    method, losses = stepped("anomalyclip", tower, ["a"] * COUNT)
    there = leaves(method)
    deep = [there[f"deep.{number}"] for number in range(4)]
    normal, abnormal = unit(
        text_side(tower, [prompt_ids(OBJECT, 12), prompt_ids(DAMAGED, 12)], there["context"], deep)
    )
    seen = [look(tower, image, start=3) for image in random_images(COUNT, tower.size)]
    entropies = [
        -torch.log(softmax2(one.steps.head(ln_post=False), normal, abnormal, 0.07)[label])
        for one, label in zip(seen, LABELS, strict=True)
    ]
    parts = {"global": torch.stack(entropies).mean()}
    for layer in (4, 6):
        pairs = [
            grid(
                softmax2(one.steps.projected(one.steps.streams["vv"][layer]), normal, abnormal, 0.07),
                tower.size,
            )
            for one in seen
        ]
        maps = [torch.stack(side) for side in zip(*pairs, strict=True)]
        for name, value in focal_dice(maps[0], maps[1], masks_of(tower.size)).items():
            parts[name] = parts.get(name, torch.zeros(())) + value
    total = parts["global"] + 4 * (parts["focal"] + parts["dice_abnormal"] + parts["dice_normal"])
    compare(method, losses, parts, total, there)


def test_coop_with_a_batch_of_several_classes(tmp_path: Path) -> None:
    tower = make_tower(tmp_path)
    names = ["metal_nut", "01", "metal_nut"]
    method, losses = stepped("coop", tower, names)
    there = leaves(method)
    entropies = []
    spoken = [name.replace("_", " ") for name in names]
    for image, name, label in zip(random_images(COUNT, tower.size), spoken, LABELS, strict=True):
        words = [prompt_ids(tokens(f"{state} {name}."), 16) for state in ("normal", "anomalous")]
        normal, abnormal = unit(text_side(tower, words, there["context"].expand(2, -1, -1)))
        head = look(tower, image).steps.head(ln_post=True)
        entropies.append(-torch.log(softmax2(head, normal, abnormal, 0.07)[label]))
    entropy = torch.stack(entropies).mean()
    compare(method, losses, {"global": entropy}, entropy, there)


def test_vand(tmp_path: Path) -> None:
    tower = make_tower(tmp_path, position="bicubic", activation="gelu", shape=SHORT)
    method, losses = stepped("vand", tower, ["metal_nut"] * COUNT)
    there = leaves(method)
    text = ensemble(tower, "vand", "released_35", each=True)
    parts: dict[str, Tensor] = {}
    seen = [look(tower, image) for image in random_images(COUNT, tower.size)]
    for number, layer in enumerate((2, 3, 5, 6)):
        abnormal = []
        for one in seen:
            projected = unit(
                one.steps.o[layer][1:] @ there[f"fc.{number}.weight"].T + there[f"fc.{number}.bias"]
            )
            logits = [
                upsampled((100 * projected @ side).reshape(one.grid, one.grid), tower.size, corners=True)
                for side in text
            ]
            abnormal.append(torch.sigmoid(logits[1] - logits[0]))
        maps = torch.stack(abnormal)
        found = focal_dice(1 - maps, maps, masks_of(tower.size))
        for name in ("focal", "dice_abnormal"):
            parts[name] = parts.get(name, torch.zeros(())) + found[name]
    compare(method, losses, parts, parts["focal"] + parts["dice_abnormal"], there)
