"""The few-shot methods against loops over images, patches and windows written from their descriptions."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from pipeline import methods
from pipeline.clip import Windows
from pipeline.errors import ParamsError
from pipeline.methods.base import LearntMethod, Scores
from pipeline.methods.few_shot import FewShotMethod, nearest_distances
from tests.clip.reference import close, doubled, layer_norm, unit
from tests.clip.towers import SMALL, Tower, make_tower, random_images

from .reference import Seen, harmonic_window_map, look, run, softmax2, upsampled
from .test_af_clip import LAYERS, SETTINGS, abnormal, adapted, pooled, text_of
from .test_methods_reference import CLASS, SHORT

AF_CLIP: dict[str, Any] = SETTINGS | {"alpha": 0.3}


@pytest.fixture(scope="module")
def tower(tmp_path_factory: pytest.TempPathFactory) -> Tower:
    return make_tower(tmp_path_factory.mktemp("tower"), shape=SMALL)


def split(tower: Tower, shots: int) -> tuple[Tensor, Tensor]:
    """Two images to score, and reference images that are none of these."""
    images = random_images(2 + shots, tower.size, seed=3)
    return images[:2], images[2:]


def built(name: str, tower: Tower, **settings: Any) -> FewShotMethod:
    method = methods.build(name, settings, tower.clip)
    assert isinstance(method, FewShotMethod)
    if isinstance(method, LearntMethod):
        method.reset(torch.Generator().manual_seed(9))
    return method


def scored(method: FewShotMethod, images: Tensor, references: Tensor) -> Scores:
    side = method.beside(references, method.text_features(CLASS))
    return method.score(method.clip.encode_image(images, method.taps), side)


def farthest(rows: Tensor, known: Sequence[Tensor]) -> Tensor:
    """Row by row: half of one minus the highest cosine to any row of any reference image."""
    others = torch.cat([unit(each) for each in known])
    found = [float((others @ unit(row)).max()) for row in rows]
    return (1 - torch.tensor(found).double()) / 2


def windows_of(tower: Tower, seen: Seen, size: int) -> Tensor:
    w, rows = doubled(tower.state), []
    for top in range(seen.grid - size + 1):
        for left in range(seen.grid - size + 1):
            inside = [1 + (top + y) * seen.grid + left + x for y in range(size) for x in range(size)]
            last = run(tower, seen.tokens[[0, *inside]]).o[-1][0]
            rows.append(layer_norm(last, w, "visual.ln_post") @ w["visual.proj"])
    return torch.stack(rows)


def patches_of(tower: Tower, seen: Seen) -> Tensor:
    return layer_norm(seen.steps.o[-1][1:], doubled(tower.state), "visual.ln_post")


def winclip_distances(tower: Tower, seen: Seen, known: Sequence[Seen]) -> Tensor:
    """The plain mean of three maps; in those of windows each patch has the harmonic mean of its windows."""
    grid = seen.grid
    near = farthest(patches_of(tower, seen), [patches_of(tower, it) for it in known])
    maps = [near.reshape(grid, grid)]
    for size in (2, 3):
        distances = farthest(windows_of(tower, seen, size), [windows_of(tower, it, size) for it in known])
        side = grid - size + 1
        inverse, count = torch.zeros(grid, grid).double(), torch.zeros(grid, grid).double()
        for number, distance in enumerate(distances):
            top, left = number // side, number % side
            inverse[top : top + size, left : left + size] += 1 / distance
            count[top : top + size, left : left + size] += 1
        maps.append(count / inverse)
    return torch.stack(maps).mean(0)


def winclip_agrees(tower: Tower, shots: int = 2) -> None:
    method = built("winclip_plus", tower, shots=shots)
    images, references = split(tower, shots)
    text, scores = method.text_features(CLASS), scored(method, images, references)
    assert text is not None
    pair = (text[0].double(), text[1].double())  # of WinCLIP, which has a test of its own
    known = [look(tower, it) for it in references]
    for row, image in enumerate(images):
        seen = look(tower, image)
        z = float(softmax2(seen.steps.head(ln_post=True), *pair, 0.07)[1])
        distances = winclip_distances(tower, seen, known)
        close(scores.image[row], torch.tensor((z + float(distances.max())) / 2))
        alone = harmonic_window_map(tower, seen, pair, z)
        close(scores.maps[row], upsampled((alone + distances) / 2, tower.size))


def af_clip_agrees(tower: Tower, shots: int = 2) -> None:
    method = built("af_clip_few_shot", tower, shots=shots, **AF_CLIP)
    assert isinstance(method, LearntMethod)
    images, references = split(tower, shots)
    scores, text = scored(method, images, references), text_of(tower, method.state())
    known = [look(tower, it) for it in references]
    for row, image in enumerate(images):
        seen = look(tower, image)
        spaces = [
            farthest(_raw(seen, layer, side), [_raw(it, layer, side) for it in known])
            for layer in LAYERS
            for side in (1, 3, 5)
        ]
        distances = torch.stack(spaces).mean(0)
        p = abnormal(adapted(tower, seen, method.state()), text)
        close(scores.image[row], distances.max() + 0.3 * p[0])
        rough = upsampled((distances + 0.3 * p[1:]).reshape(seen.grid, seen.grid), tower.size)
        close(scores.maps[row], gaussian_filter(rough.numpy(), sigma=1.5))


def _raw(seen: Seen, layer: int, side: int) -> Tensor:
    return pooled(seen.steps.o[layer][1:], seen.grid, side)


@pytest.mark.parametrize("shots", [1, 2])
def test_winclip_plus_is_that_of_its_description(
    tmp_path_factory: pytest.TempPathFactory, shots: int
) -> None:
    folder = tmp_path_factory.mktemp("native")
    winclip_agrees(make_tower(folder, size=40, position="native", activation="gelu", shape=SHORT), shots)


@pytest.mark.parametrize("shots", [1, 2])
def test_af_clip_few_shot_is_that_of_its_description(tower: Tower, shots: int) -> None:
    af_clip_agrees(tower, shots)


@pytest.mark.parametrize(("name", "settings"), [("winclip_plus", {}), ("af_clip_few_shot", AF_CLIP)])
def test_an_image_that_is_a_reference_is_near_to_it_everywhere(
    tower: Tower, name: str, settings: dict[str, Any]
) -> None:
    """The distances are then 0 up to rounding, and the zero-shot scores are all that is left."""
    method = built(name, tower, **settings)
    images, references = split(tower, 4)
    alone = methods.build(*(("af_clip", SETTINGS) if settings else ("winclip", {})), tower.clip)
    if isinstance(alone, LearntMethod):
        alone.reset(torch.Generator().manual_seed(9))
    plain = alone.score(tower.clip.encode_image(images, alone.taps), alone.text_features(CLASS))
    share = settings.get("alpha", 0.5)
    own, others = scored(method, images, torch.cat([images, references])), scored(method, images, references)
    close(own.maps, share * plain.maps, 1e-6)
    close(own.image, share * plain.image, 1e-6)
    assert bool((others.maps > own.maps).all())
    assert bool((others.image > own.image).all())


def test_more_references_bring_no_patch_farther_away(tower: Tower) -> None:
    method = built("winclip_plus", tower)
    images, references = split(tower, 4)
    maps = [scored(method, images, references[:shots]).maps for shots in (1, 2, 4)]
    assert bool((maps[1] <= maps[0] + 1e-7).all())
    assert bool((maps[2] <= maps[1] + 1e-7).all())


def test_what_is_not_a_number_is_not_scored(tower: Tower) -> None:
    method = built("winclip_plus", tower)
    images, references = split(tower, 1)
    features = dict(tower.clip.encode_image(images, method.taps))
    features[Windows(2)][0, 3] = torch.nan
    maps = method.score(features, method.beside(references, method.text_features(CLASS))).maps
    assert maps[0].isnan().any()
    assert maps[1].isfinite().all()


def test_a_distance_is_a_half_of_one_minus_cosine() -> None:
    """From 0, of the same direction, over a right angle to 1, of the opposite one; lengths do not count."""
    rows = torch.tensor([[[3.0, 0.0], [0.0, 0.2], [-1.0, 0.0]]])
    assert nearest_distances(rows, torch.tensor([[1.0, 0.0]])).tolist() == [[0.0, 0.5, 1.0]]


@pytest.mark.parametrize("shots", [0, 5, 1.5])
def test_shots_that_nobody_prepares_are_refused(tower: Tower, shots: float) -> None:
    with pytest.raises(ParamsError, match=r"methods\.winclip_plus\.shots: "):
        built("winclip_plus", tower, shots=shots)


def test_the_memory_is_no_part_of_what_is_learnt(tower: Tower) -> None:
    """One training serves any number of shots, and AF-CLIP's own weights are the same."""
    few, plain = (methods.build(name, SETTINGS, tower.clip) for name in ("af_clip_few_shot", "af_clip"))
    assert isinstance(few, LearntMethod)
    assert isinstance(plain, LearntMethod)
    few.load_state(plain.state())
    assert few.settings.scoring_only == plain.settings.scoring_only | {"alpha", "shots"}
    assert few.loss_flop == plain.loss_flop < few.flop
