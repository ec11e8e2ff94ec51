"""UniADet against a loop written from its description: scores, training step, augmentation, its own ideas."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from pipeline import methods
from pipeline.clip import TowerSpec, load_clip
from pipeline.clip.architecture import build_model, read_config
from pipeline.methods.auxiliary import AuxiliarySet, draw_cell, draw_square
from pipeline.methods.base import LearntMethod
from tests.clip.reference import close, doubled, layer_norm, unit
from tests.clip.towers import Tower, random_images

from .reference import Seen, focal_dice, look, upsampled
from .test_training_step import COUNT, LABELS, compare, leaves, masks_of

LAYERS = (3, 5, 6)


def built(tower: Tower, **changes: Any) -> LearntMethod:
    method = methods.build("uniadet", {"layers": LAYERS, "sigma": 1.5} | changes, tower.clip)
    assert isinstance(method, LearntMethod)
    method.reset(torch.Generator().manual_seed(9))
    return method


def sides(tower: Tower, seen: Seen, state: dict[str, Tensor], *, joint: bool) -> tuple[list[Tensor], ...]:
    """Of every block: both class probabilities of the image, and the abnormal one of each pixel."""
    w, images, maps = doubled(tower.state), [], []
    for number, layer in enumerate(LAYERS):
        tokens = layer_norm(seen.steps.o[layer], w, "visual.ln_post")
        tokens = unit(tokens @ w["visual.proj"] if joint else tokens)
        image = (tokens[0] @ unit(state["image"][number].double()).T) / 0.07
        images.append(image.softmax(-1))
        logits = (tokens[1:] @ unit(state["patch"][number].double()).T) / 0.07
        both = [upsampled(logits[:, side].reshape(seen.grid, seen.grid), tower.size) for side in (0, 1)]
        maps.append(torch.sigmoid(both[1] - both[0]))
    return images, maps


@pytest.mark.parametrize("fusion", ["late", "each"])
@pytest.mark.parametrize("joint", [True, False])
def test_scores(tower: Tower, fusion: str, joint: bool) -> None:
    method = built(tower, fusion=fusion, projected=joint, map_share=0.3)
    images = random_images(2, tower.size)
    assert method.text_features("bottle") is None
    scores = method.score(tower.clip.encode_image(images, method.taps), None)
    for row, image in enumerate(images):
        classes, maps = sides(tower, look(tower, image), method.state(), joint=joint)
        mean = torch.stack(maps).mean(0)
        peak = mean.max() if fusion == "late" else torch.stack([each.max() for each in maps]).mean()
        close(scores.image[row], 0.7 * torch.stack(classes)[:, 1].mean() + 0.3 * peak)
        close(scores.maps[row], gaussian_filter(mean.detach().numpy(), sigma=1.5))


@pytest.mark.parametrize("joint", [True, False])
def test_a_training_step(tower: Tower, joint: bool) -> None:
    method, images = built(tower, projected=joint, map_weight=0.5), random_images(COUNT, tower.size)
    features = tower.clip.encode_image(images, method.loss_taps)
    losses = method.loss(features, LABELS, masks_of(tower.size), ["a"] * COUNT)
    torch.autograd.backward(losses.total)
    there = leaves(method)
    seen = [sides(tower, look(tower, image), there, joint=joint) for image in images]
    parts = dict.fromkeys(("global", "focal", "dice_abnormal"), torch.zeros((), dtype=torch.float64))
    for number in range(len(LAYERS)):
        chosen = [one[0][number][label] for one, label in zip(seen, LABELS, strict=True)]
        parts["global"] = parts["global"] - torch.log(torch.stack(chosen)).mean() / len(LAYERS)
        maps = torch.stack([one[1][number] for one in seen])
        found = focal_dice(1 - maps, maps, masks_of(tower.size))
        for name in ("focal", "dice_abnormal"):
            parts[name] = parts[name] + found[name] / len(LAYERS)
    total = parts["global"] + 0.5 * (parts["focal"] + parts["dice_abnormal"])
    compare(method, losses, parts, total, there)


@pytest.mark.parametrize(("projected", "count"), [(True, 15_360), (False, 20_480)])
def test_parameters_of_the_paper(projected: bool, count: int) -> None:
    """0.015 M, as the authors print; 0.020 M without the projection."""
    spec = TowerSpec("main", "ViT-L-14-336", "none", 518, "bilinear", "quickgelu")
    state = build_model(read_config(spec.model), spec.activation, device="meta").state_dict()
    method = methods.build("uniadet", {"projected": projected}, load_clip(spec, "meta", state))
    assert isinstance(method, LearntMethod)
    assert sum(parameter.numel() for parameter in method.trainable().parameters()) == count


def test_tasks_and_blocks_share_nothing(tower: Tower) -> None:
    """The rows of one block and task move their own part of the loss and no other."""
    method = built(tower)
    features = tower.clip.encode_image(random_images(COUNT, tower.size), method.loss_taps)

    def parts() -> dict[str, float]:
        losses = method.loss(features, LABELS, masks_of(tower.size), ["a"] * COUNT)
        return {name: value.item() for name, value in losses.parts.items()}

    before = parts()
    with torch.no_grad():
        method.trainable().get_parameter("image")[1] += 0.05 * torch.randn(2, 24)
    after = parts()
    assert after["global"] != before["global"]
    assert (after["focal"], after["dice_abnormal"]) == (before["focal"], before["dice_abnormal"])
    state = method.state()
    assert {name: tuple(value.shape) for name, value in state.items()} == {
        "image": (3, 2, 24),
        "patch": (3, 2, 24),
    }
    flat = torch.cat([value.flatten(0, 1) for value in state.values()])
    assert torch.unique(flat, dim=0).shape == flat.shape, "no row stands twice"


def test_published_settings() -> None:
    settings = methods.get("uniadet").parse({})
    wanted = {"layers": (12, 15, 18, 21, 24), "projected": True, "temperature": 0.07, "map_share": 0.5}
    assert {key: getattr(settings, key) for key in wanted} == wanted
    (stage,) = settings.training_on("visa")  # type: ignore[attr-defined]
    assert (stage.epochs, stage.batch, stage.lr, stage.augment, stage.grids) == (15, 8, 1e-3, 0.5, (2, 3))
    rates = [stage.rate(1e-3, step, 30) for step in range(30)]  # two steps an epoch
    assert rates[0] == rates[1] == 1e-3
    assert rates[::2] == sorted(rates[::2], reverse=True)
    assert rates[-1] == pytest.approx(1e-3 * (0.55 + 0.45 * np.cos(14 / 15 * np.pi)))


SIZE = 24


def levels(labels: list[int], names: list[str]) -> AuxiliarySet:
    """Images of one grey level each, ten times their row; anomalous ones masked in a quarter."""
    images = np.stack([np.full((SIZE, SIZE, 3), 10 * row, np.uint8) for row in range(len(labels))])
    masks = np.zeros((len(labels), SIZE, SIZE), np.uint8)
    masks[np.array(labels) == 1, SIZE // 2 :, SIZE // 2 :] = 255
    return AuxiliarySet("visa", images, masks, np.array(labels), names)


def cells(image: np.ndarray, grid: int) -> list[int]:
    """The row of the image in the middle of each cell."""
    middle = [(2 * place + 1) * SIZE // (2 * grid) for place in range(grid)]
    return [int(image[y, x, 0]) // 10 for y in middle for x in middle]


@pytest.mark.parametrize("grid", [2, 3])
def test_a_mosaic_holds_its_image_and_others_of_the_class(grid: int) -> None:
    auxiliary = levels([0, 0, 1, 1, 0, 0], ["cup"] * 4 + ["bolt"] * 2)
    seen: set[int] = set()
    for seed in range(20):
        generator = torch.Generator().manual_seed(seed)
        normal, mask = draw_square(auxiliary, 1, grid, generator)
        assert 1 in cells(normal, grid)
        assert set(cells(normal, grid)) <= {0, 1}
        assert not mask.any()
        image, mask = draw_square(auxiliary, 2, grid, generator)
        rows = cells(image, grid)
        assert 2 in rows
        assert mask.mean() == pytest.approx(sum(row >= 2 for row in rows) / 4 / grid**2, abs=0.05)
        seen |= set(rows)
    assert seen == {0, 1, 2, 3}


def test_a_cut_keeps_the_defect() -> None:
    auxiliary = levels([0, 1], ["cup"] * 2)
    generator = torch.Generator().manual_seed(0)
    for _ in range(10):
        image, mask = draw_cell(auxiliary, 1, 2, generator)
        assert image.shape == (SIZE, SIZE, 3)
        assert mask.all(), "only the lower right quarter has a defect"
        assert not draw_cell(auxiliary, 0, 3, generator)[1].any()


def test_half_of_the_images_are_redrawn_by_the_given_generator() -> None:
    auxiliary = levels([0, 1] * 12, ["cup"] * 24)
    (stage,) = methods.get("uniadet").parse({}).training_on("visa")  # type: ignore[attr-defined]
    before = torch.random.get_rng_state()
    first, again = (
        stage.redraw(list(range(24)) * 10, auxiliary, torch.Generator().manual_seed(3)) for _ in range(2)
    )
    assert 90 < len(first) < 150
    assert first.keys() == again.keys()
    assert all(np.array_equal(first[place][0], again[place][0]) for place in first)
    assert torch.equal(before, torch.random.get_rng_state())
    none = stage.model_copy(update={"augment": 0.0})
    assert none.redraw([0, 1], auxiliary, torch.Generator()) == {}
