"""MuSc against loops written from its description, and its memory against the number of images."""

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter
from torch.utils._python_dispatch import TorchDispatchMode

from pipeline import methods
from pipeline.clip import Global, Local
from pipeline.errors import DataError, ParamsError
from pipeline.methods import musc
from pipeline.methods.batch import BatchMethod
from tests.clip.towers import Tower, random_images

LAYERS = (2, 5)
SIDES = (1, 3)
NEIGHBOURS = (1, 3, 40)
COUNT = 12  # of which 3 of the 11 others count

Doubles = NDArray[np.float64]


def built(tower: Tower, **changes: Any) -> BatchMethod:
    settings = {"layers": LAYERS, "neighbourhoods": SIDES, "neighbours": NEIGHBOURS} | changes
    method = methods.build("musc", settings, tower.clip)
    assert isinstance(method, BatchMethod)
    return method


def unit(rows: Doubles) -> Doubles:
    return np.asarray(rows / np.linalg.norm(rows, axis=-1, keepdims=True))


def space(raw: Doubles, side: int) -> Doubles:
    """One image: (g², W) normed as a whole, the mean of each square with zeros around, unit rows."""
    grid = round(len(raw) ** 0.5)
    normed = (raw - raw.mean()) / np.sqrt(raw.var() + 1e-5)
    square = normed.reshape(grid, grid, -1)
    mean = uniform_filter(square, (side, side, 1), mode="constant")
    return unit(mean.reshape(grid * grid, -1))


def patch_scores(images: list[Doubles], counted: int) -> list[Doubles]:
    scores = []
    for own, mine in enumerate(images):
        nearest = [
            np.array([np.linalg.norm(theirs - patch, axis=1).min() for patch in mine])
            for place, theirs in enumerate(images)
            if place != own
        ]
        scores.append(np.sort(np.stack(nearest), axis=0)[:counted].mean(axis=0))
    return scores


def enlarged(grid: Doubles, size: int) -> Doubles:
    """Bilinear, corners on corners."""
    side = len(grid)
    out = np.zeros((size, size))
    for y, x in product(range(size), repeat=2):
        down, right = y * (side - 1) / (size - 1), x * (side - 1) / (size - 1)
        top, left = min(int(down), side - 2), min(int(right), side - 2)
        v, h = down - top, right - left
        out[y, x] = (1 - v) * ((1 - h) * grid[top, left] + h * grid[top, left + 1]) + v * (
            (1 - h) * grid[top + 1, left] + h * grid[top + 1, left + 1]
        )
    return np.asarray(out)


def smoothed(scores: Doubles, tokens: Doubles) -> Doubles:
    scaled = (scores - scores.min()) / (scores.max() - scores.min())
    found = []
    for own, most in product(range(len(scores)), NEIGHBOURS):
        cosines = tokens @ tokens[own]
        near = sorted(range(len(scores)), key=lambda other: -cosines[other])[:most]
        found.append(sum(cosines[it] * scaled[it] for it in near) / sum(cosines[it] for it in near))
    means: Doubles = np.array(found).reshape(len(scores), -1).mean(axis=1)
    return means


def test_scores_are_those_of_the_description(tower: Tower) -> None:
    method = built(tower)
    features = tower.clip.encode_image(random_images(COUNT, tower.clip.spec.image_size), method.taps)
    grids = []
    for layer, side in product(LAYERS, SIDES):
        raw = features[Local("qk", layer, projected=False)].double().numpy()
        grids.append(np.stack(patch_scores([space(it, side) for it in raw], counted=3)))
    mean, size = np.mean(grids, axis=0), tower.clip.spec.image_size
    side = tower.clip.vision.grid
    maps = np.stack([enlarged(it.reshape(side, side), size) for it in mean])
    image = smoothed(maps.max(axis=(1, 2)), unit(features[Global(ln_post=True)].double().numpy()))
    scores = method.score(features, None)
    assert np.abs(scores.maps.numpy() - maps).max() < 1e-5
    assert np.abs(scores.image.numpy() - image).max() < 1e-5


@pytest.mark.parametrize("images_of_a_strip", [1, 2, 5, 7])
@pytest.mark.parametrize("images_of_a_product", [1, 3])
def test_strips_and_blocks_move_nothing(
    tower: Tower, monkeypatch: pytest.MonkeyPatch, images_of_a_strip: int, images_of_a_product: int
) -> None:
    method = built(tower)
    features = tower.clip.encode_image(random_images(COUNT, tower.clip.spec.image_size), method.taps)
    whole = method.score(features, None)
    length, width = features[Local("qk", 2, projected=False)].shape[1:]
    monkeypatch.setattr(musc, "_STRIP", images_of_a_strip * 4 * length * (width + COUNT))
    monkeypatch.setattr(musc, "_PRODUCT", (images_of_a_product * length) ** 2)
    again = method.score(features, None)
    assert (again.maps - whole.maps).abs().max() < 1e-6
    assert (again.image - whole.image).abs().max() < 1e-5


def test_what_a_pass_holds_does_not_grow_with_the_images(
    tower: Tower, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of all tensors that are made, none is larger than a strip or a block of similarities."""
    method, strip = built(tower), 400_000
    monkeypatch.setattr(musc, "_STRIP", strip)
    monkeypatch.setattr(musc, "_PRODUCT", strip // 4)
    largest = []
    for count in (40, 80):
        generator = torch.Generator().manual_seed(count)
        one = method.clip.encode_image(random_images(1, tower.clip.spec.image_size), method.taps)
        shapes = {tap: it.shape[1:] for tap, it in one.items()}
        features = {tap: torch.randn(count, *shape, generator=generator) for tap, shape in shapes.items()}
        with Sizes() as sizes:
            total = method._mutual_scores(features)  # type: ignore[attr-defined]
        largest.append(max(sizes.made - {total.nbytes}))
    assert max(largest) <= strip
    assert largest[1] <= largest[0] * 1.1


class Sizes(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Bytes of every tensor that an operation makes anew."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.made: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = {it.untyped_storage().data_ptr() for it in args if isinstance(it, torch.Tensor)}
        out = func(*args, **(kwargs or {}))
        for it in out if isinstance(out, tuple | list) else (out,):
            if isinstance(it, torch.Tensor) and it.untyped_storage().data_ptr() not in given:
                self.made.add(it.untyped_storage().nbytes())
        return out


def test_equal_images_are_no_distance_apart_and_have_one_score(tower: Tower) -> None:
    method = built(tower)
    images = random_images(1, tower.clip.spec.image_size).expand(6, -1, -1, -1).contiguous()
    scores = method.score(tower.clip.encode_image(images, method.taps), None)
    assert scores.maps.abs().max() < 1e-3  # 1 - cosine has an error of 1e-7, and a distance is its root
    assert scores.image.isfinite().all()


@pytest.mark.parametrize("count", [1, 4])
def test_a_subset_needs_five_images(tower: Tower, count: int) -> None:
    method = built(tower)
    features = tower.clip.encode_image(random_images(count, tower.clip.spec.image_size), method.taps)
    with pytest.raises(DataError, match=f"30% of the others: {count} are too few"):
        method.score(features, None)


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"layers": (99,)}, "layers"),
        ({"neighbourhoods": (2,)}, "neighbourhoods"),
        ({"neighbours": ()}, "neighbours"),
        ({"share": 1.5}, "share"),
    ],
)
def test_impossible_settings_are_named(tower: Tower, changes: dict[str, Any], key: str) -> None:
    with pytest.raises(ParamsError, match=rf"methods\.musc\.{key}"):
        built(tower, **changes)


def test_operations_are_those_of_all_pairs(tower: Tower) -> None:
    """Two a number and channel, for each pair of images once, their own included."""
    vision = tower.clip.vision
    patches = vision.grid**2
    products = sum(2 * patches * patches * vision.width for one in range(9) for other in range(one + 1))
    assert built(tower).subset_flop(9) == products * len(LAYERS) * len(SIDES)
