"""What every registered method must do, whoever wrote it."""

import inspect
from typing import Any

import pytest
import torch

from pipeline import methods
from pipeline.methods.base import LearntMethod, Method, Scores
from tests.clip.reference import close
from tests.clip.towers import Tower, make_tower, random_images

from .test_registry import FITTING

BATCH = 5


@pytest.fixture(scope="module")
def tower(tmp_path_factory: pytest.TempPathFactory) -> Tower:
    return make_tower(tmp_path_factory.mktemp("tower"))


@pytest.fixture(params=methods.names())
def method(request: pytest.FixtureRequest, tower: Tower) -> Method:
    made = methods.build(request.param, FITTING.get(request.param, {}), tower.clip)
    if isinstance(made, LearntMethod):
        made.reset(torch.Generator().manual_seed(1))
    return made


def scored(method: Method, images: torch.Tensor, class_name: str = "metal_nut") -> Scores:
    return method.score(method.clip.encode_image(images, method.taps), method.text_features(class_name))


def test_names_and_traits(method: Method) -> None:
    kind = type(method)
    assert kind.name in methods.names()
    assert kind.title
    assert kind.learnt == isinstance(method, LearntMethod)
    assert inspect.getdoc(kind)


def test_text_features_are_two_unit_rows(method: Method) -> None:
    text = method.text_features("metal_nut")
    assert text.shape == (2, method.clip.embed_dim)
    close(text.norm(dim=-1), torch.ones(2), 1e-6)


def test_scores_are_float32_of_the_right_shape_and_finite(method: Method) -> None:
    scores = scored(method, random_images(BATCH, method.clip.spec.image_size))
    size = method.clip.spec.image_size
    assert scores.image.shape == (BATCH,)
    assert scores.maps.shape == (BATCH, size, size)
    assert scores.image.dtype == scores.maps.dtype == torch.float32
    assert scores.image.isfinite().all()
    assert scores.maps.isfinite().all()


def test_a_batch_of_one_scores_as_in_a_batch_of_many(method: Method) -> None:
    images = random_images(BATCH, method.clip.spec.image_size)
    many = scored(method, images)
    for row in range(BATCH):
        one = scored(method, images[row : row + 1])
        close(one.image, many.image[row : row + 1], 2e-6)
        close(one.maps, many.maps[row : row + 1], 2e-6)


def test_order_does_not_matter(method: Method) -> None:
    images = random_images(BATCH, method.clip.spec.image_size)
    forwards, backwards = scored(method, images), scored(method, images.flip(0))
    close(backwards.image.flip(0), forwards.image, 2e-6)
    close(backwards.maps.flip(0), forwards.maps, 2e-6)


def test_scoring_leaves_no_gradient_and_changes_nothing(method: Method) -> None:
    features = method.clip.encode_image(random_images(2, method.clip.spec.image_size), method.taps)
    before = {tap: value.clone() for tap, value in features.items()}
    with torch.enable_grad():
        text = method.text_features("metal_nut")
        first, second = method.score(features, text), method.score(features, text)
    for tensor in (text, first.image, first.maps):
        assert not tensor.requires_grad
    assert torch.equal(first.maps, second.maps)
    for tap, value in features.items():
        assert torch.equal(value, before[tap])


def test_no_global_randomness(method: Method) -> None:
    before = torch.random.get_rng_state()
    scored(method, random_images(1, method.clip.spec.image_size))
    if isinstance(method, LearntMethod):
        method.reset(torch.Generator().manual_seed(3))
    assert torch.equal(before, torch.random.get_rng_state())


def test_the_class_name_is_read_only_by_class_aware_methods(method: Method) -> None:
    screw, tile = method.text_features("screw"), method.text_features("tile")
    assert torch.equal(screw, tile) != method.class_aware


def test_the_taps_are_all_that_scoring_needs_and_no_more(method: Method) -> None:
    class Recorder(dict[Any, torch.Tensor]):
        seen: frozenset[Any] = frozenset()

        def __getitem__(self, key: Any) -> torch.Tensor:
            self.seen = self.seen | {key}
            return super().__getitem__(key)

    recorder = Recorder(method.clip.encode_image(random_images(1, method.clip.spec.image_size), method.taps))
    method.score(recorder, method.text_features("metal_nut"))
    assert recorder.seen == method.taps


def test_learnt_methods_are_deterministic_under_a_seed(method: Method) -> None:
    if not isinstance(method, LearntMethod):
        return
    states = []
    for seed in (4, 4, 5):
        method.reset(torch.Generator().manual_seed(seed))
        states.append(method.state())
    for name, value in states[0].items():
        assert torch.equal(value, states[1][name])
        assert not torch.equal(value, states[2][name])


def test_learnt_state_goes_out_and_comes_back(method: Method) -> None:
    if not isinstance(method, LearntMethod):
        return
    images = random_images(2, method.clip.spec.image_size)
    before, state = scored(method, images), method.state()
    method.reset(torch.Generator().manual_seed(77))
    changed = scored(method, images)
    method.load_state(state)
    after = scored(method, images)
    assert not torch.equal(before.maps, changed.maps) or not torch.equal(before.image, changed.image)
    assert torch.equal(before.maps, after.maps)
    assert torch.equal(before.image, after.image)
