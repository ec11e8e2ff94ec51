"""MRAD against loops written from its description: memory, scores, training step, settings."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor
from torch.nn.functional import interpolate

from pipeline import methods
from pipeline.errors import TrainingError
from pipeline.methods.base import Batch, LearntMethod
from tests.clip.reference import close, doubled, layer_norm, unit
from tests.clip.towers import Tower, random_images

from .reference import focal_dice, look, upsampled
from .test_training_step import COUNT, LABELS, compare, leaves, masks_of

Held = tuple[Tensor, list[int]]
"""Keys and labels."""
NAMES = ("mrad_ft", "mrad_tf")
SETTINGS = {"layer": 5, "sigma": 1.5, "map_share": 0.4, "top": 0.05, "dpam_start": 2}


def built(tower: Tower, name: str, **changes: Any) -> LearntMethod:
    method = methods.build(name, SETTINGS | changes, tower.clip)
    assert isinstance(method, LearntMethod)
    method.reset(torch.Generator().manual_seed(9))
    return method


def remembered(tower: Tower, name: str, masks: Tensor | None = None) -> LearntMethod:
    """Prepared on the images of the training step, in two batches."""
    method = built(tower, name)
    features = tower.clip.encode_image(random_images(COUNT, tower.size), method.loss_taps)
    masks = masks_of(tower.size) if masks is None else masks
    parts = (slice(0, 2), slice(2, COUNT))
    method.prepare(
        [
            Batch({tap: it[part] for tap, it in features.items()}, LABELS[part], masks[part], ["a"] * 3)
            for part in parts
        ],
        0,
    )
    return method


def tokens(tower: Tower, image: Tensor) -> tuple[Tensor, Tensor]:
    """The class token, and the normed patches averaged over squares: neither is normalised."""
    seen = look(tower, image, start=2)
    patches = layer_norm(seen.steps.streams["vv"][5], doubled(tower.state), "visual.ln_post")[1:]
    grid, square = seen.grid, patches.reshape(seen.grid, seen.grid, -1)
    smooth = torch.zeros_like(square)
    for y in range(grid):
        for x in range(grid):
            for reach in (0, 1, 2):
                near = square[max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1]
                smooth[y, x] += near.sum((0, 1)) / (2 * reach + 1) ** 2 / 3
    return seen.steps.head(ln_post=False), smooth.flatten(0, 1)


def memories(tower: Tower, seen: Sequence[tuple[Tensor, Tensor]]) -> tuple[Held, Held]:
    """Of the images and of their patches."""
    keys, labels = [], []
    for (_, patches), mask in zip(seen, masks_of(tower.size), strict=True):
        grid = round(len(patches) ** 0.5)
        small = interpolate(mask[None, None].double(), size=(grid, grid), mode="bilinear").flatten()
        for kind in (0, 1):
            chosen = [patch for patch, value in zip(patches, small.tolist(), strict=True) if value == kind]
            if chosen:
                keys.append(unit(sum(chosen, torch.zeros_like(patches[0])) / len(chosen)))
                labels.append(kind)
    images = torch.stack([unit(head) for head, _ in seen])
    return (images, LABELS.tolist()), (torch.stack(keys), labels)


def share(query: Tensor, memory: Held, there: dict[str, Tensor], side: str, quantile: float = 2) -> Tensor:
    """Of one query, normalised: of all keys but those above the quantile."""
    keys, labels = memory
    alike = keys @ query
    seen = alike <= np.quantile(alike.detach().numpy(), min(quantile, 1))
    if f"{side}.query.weight" in there:
        query = there[f"{side}.query.weight"] @ query + there[f"{side}.query.bias"]
        keys = keys @ there[f"{side}.key.weight"].T
    powers: Tensor = torch.exp(keys @ query) * seen
    return powers @ torch.tensor(labels).double() / powers.sum()


def shares(
    seen: tuple[Tensor, Tensor], held: tuple[Held, Held], there: dict[str, Tensor], *, masked: bool
) -> tuple[Tensor, Tensor]:
    """Of an image, and of its patches as a square."""
    head, patches = seen
    image, patch = (0.95, 0.8) if masked else (2, 2)
    found = torch.stack([share(unit(each), held[1], there, "patch", patch) for each in patches])
    side = round(len(patches) ** 0.5)
    return share(unit(head), held[0], there, "image", image), found.reshape(side, side)


def memory_agrees(tower: Tower) -> None:
    state = remembered(tower, "mrad_tf").state()
    held = memories(tower, [tokens(tower, image) for image in random_images(COUNT, tower.size)])
    for side, (keys, labels) in zip(("image", "patch"), held, strict=True):
        assert sorted(state[f"{side}.labels"].tolist()) == sorted(labels)
        for key, label in zip(keys, labels, strict=True):  # in whatever order
            same = (state[f"{side}.keys"].double() - key).abs().amax(1) < 1e-5
            assert state[f"{side}.labels"][same].tolist() == [label]


def scores_agree(tower: Tower, name: str) -> None:
    """Of images of which the first two are in the memory."""
    method, images = remembered(tower, name), random_images(COUNT + 1, tower.size)[1:]
    assert method.text_features("bottle") is None
    scores = method.score(tower.clip.encode_image(images, method.taps), None)
    held = memories(tower, [tokens(tower, image) for image in random_images(COUNT, tower.size)])
    for row, image in enumerate(images):
        there = {key: value.double() for key, value in method.state().items()}
        whole, patches = shares(tokens(tower, image), held, there, masked=False)
        smooth = gaussian_filter(upsampled(patches, tower.size).numpy(), sigma=1.5)
        top = np.sort(smooth, axis=None)[-int(tower.size**2 * 0.05) :].mean()
        close(scores.maps[row], smooth)
        close(scores.image[row], 0.6 * whole + 0.4 * top)


def step_agrees(tower: Tower, name: str = "mrad_ft") -> None:
    method, images = remembered(tower, name), random_images(COUNT, tower.size)
    features = tower.clip.encode_image(images, method.loss_taps)
    losses = method.loss(features, LABELS, masks_of(tower.size), ["a"] * COUNT)
    torch.autograd.backward(losses.total)
    there, seen = leaves(method), [tokens(tower, image) for image in images]
    found = [shares(one, memories(tower, seen), there, masked=True) for one in seen]
    entropies = []
    for (whole, _), label in zip(found, LABELS.tolist(), strict=True):
        both = torch.stack([1 - whole, whole]) / 0.07
        entropies.append(torch.logsumexp(both, 0) - both[label])
    maps = torch.stack([upsampled(patches, tower.size) for _, patches in found])
    parts = {"global": torch.stack(entropies).mean(), **focal_dice(1 - maps, maps, masks_of(tower.size))}
    del parts["dice_normal"]
    compare(method, losses, parts, parts["global"] + parts["focal"] + parts["dice_abnormal"], there)


def test_the_memory_is_of_images_and_of_whole_patches(tower: Tower) -> None:
    memory_agrees(tower)


@pytest.mark.parametrize("name", NAMES)
def test_scores(tower: Tower, name: str) -> None:
    scores_agree(tower, name)


def test_a_training_step(tower: Tower) -> None:
    step_agrees(tower)


def test_nothing_of_tf_is_learnt_and_four_layers_of_ft(tower: Tower) -> None:
    assert not list(built(tower, "mrad_tf").trainable().parameters())
    names = dict(built(tower, "mrad_ft").trainable().named_parameters())
    assert {name.rpartition(".")[0] for name in names} == {
        f"{side}.{role}" for side in ("image", "patch") for role in ("query", "key")
    }


def test_a_set_without_whole_patches_is_refused(tower: Tower) -> None:
    """Every patch of a chequerboard is half anomalous."""
    masks = torch.zeros(COUNT, tower.size, tower.size, dtype=torch.bool)
    masks[:, ::2] = True
    with pytest.raises(TrainingError, match="wholly normal or wholly anomalous"):
        remembered(tower, "mrad_tf", masks)


def test_normal_images_alone_give_no_share(tower: Tower) -> None:
    method = remembered(tower, "mrad_tf", torch.zeros(COUNT, tower.size, tower.size, dtype=torch.bool))
    maps = method.score(tower.clip.encode_image(random_images(1, tower.size), method.taps), None).maps
    assert not maps.any()


@pytest.mark.parametrize("name", NAMES)
def test_published_settings(name: str) -> None:
    settings = methods.get(name).parse({})
    wanted = {"layer": 24, "dpam_start": 2, "sigma": 4, "map_share": 0.3, "top": 0.01}
    wanted |= {"image_quantile": 0.95, "patch_quantile": 0.8, "temperature": 0.07}
    assert {key: getattr(settings, key) for key in wanted} == wanted
    (stage,) = settings.training_on("visa")  # type: ignore[attr-defined]
    assert (stage.epochs, stage.batch, stage.lr) == (1, 8, 4e-4)
    rates = [stage.rate(4e-4, step, 10) for step in range(11)]
    assert rates[0] == 4e-4
    assert rates[5] == pytest.approx((4e-4 + 1e-6) / 2)
    assert rates[10] == pytest.approx(1e-6)
