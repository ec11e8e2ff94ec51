"""Bayes-PFL against loops written from its description: draws, scores, both training steps, its own ideas."""

import math
from typing import Any

import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from pipeline import methods
from pipeline.clip import TowerSpec, load_clip
from pipeline.clip.architecture import build_model, read_config
from pipeline.errors import ParamsError
from pipeline.methods.base import LearntMethod, Losses, Scores
from pipeline.methods.prompt_flow import Density
from tests.clip.reference import close
from tests.clip.towers import Tower, make_tower, random_images

from .bayes_pfl_reference import (
    FLOWS,
    LAYERS,
    N_CTX,
    N_STATE,
    PROMPTS,
    State,
    drawn,
    image_logit,
    patches_of,
    pixel_logits,
    texts,
)
from .reference import look
from .test_training_step import COUNT, LABELS, TOLERANCE, leaves, masks_of

SAMPLES, TOP = 3, 50
SETTINGS: dict[str, Any] = {
    "layers": LAYERS,
    "prompts": PROMPTS,
    "n_ctx": N_CTX,
    "n_state": N_STATE,
    "flows": FLOWS,
    "samples": SAMPLES,
    "sigma": 1.5,
    "map_share": 0.3,
    "top_pixels": TOP,
}


@pytest.fixture(scope="module")
def tower(tmp_path_factory: pytest.TempPathFactory) -> Tower:
    return make_tower(tmp_path_factory.mktemp("tower"), position="bicubic", activation="gelu")


def built(tower: Tower, **changes: Any) -> LearntMethod:
    method = methods.build("bayes_pfl", SETTINGS | changes, tower.clip)
    assert isinstance(method, LearntMethod)
    method.reset(torch.Generator().manual_seed(9))
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():  # weights under which densities, attention and pooling tell images apart
        for name, parameter in method.trainable().named_parameters():
            if name.startswith(("encoders.", "flows.context.", "attention.", "image.")):
                parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
            if name.startswith(("flows.normal.", "flows.abnormal.")):
                parameter.mul_(0.2)  # else every tanh is flat, and gradients are too small for float32
    return method


def scored(method: LearntMethod, tower: Tower, images: Tensor, name: str) -> Scores:
    return method.score(tower.clip.encode_image(images, method.taps), method.text_features(name))


@pytest.mark.parametrize("image_epochs", [5, 0])
def test_scores(tower: Tower, image_epochs: int) -> None:
    method, images = built(tower, training={"image_epochs": image_epochs}), random_images(2, tower.size)
    state, name = method.state(), "pcb1"
    scores = scored(method, tower, images, name)
    shape = (3, SAMPLES, tower.shape.text_width)
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(int(state["seed"])))
    for row, image in enumerate(images):
        seen = look(tower, image)
        feature, images_p, maps = seen.steps.head(ln_post=True), [], []
        for sample in range(SAMPLES):
            context, normal, abnormal = (
                drawn(state, which, noise[number, sample], feature)[0]
                for number, which in enumerate(("context", "normal", "abnormal"))
            )
            both = texts(tower, state, name, context, [normal, abnormal])
            for prompt in range(PROMPTS):
                image_sides, map_sides = [], []
                for text in both[:, prompt]:
                    image_sides.append(
                        image_logit(state, text, feature, patches_of(seen), pooled=image_epochs > 0)
                    )
                    map_sides.append(pixel_logits(tower, state, seen, text))
                images_p.append(torch.sigmoid(image_sides[1] - image_sides[0]))
                maps += [torch.sigmoid(a - n) for n, a in zip(*map_sides, strict=True)]
        rough = torch.stack(maps).mean(0)
        assert rough.std() > 1e-3
        highest = rough.flatten().sort().values[-TOP:].mean()
        close(scores.image[row], 0.7 * torch.stack(images_p).mean() + 0.3 * highest)
        close(scores.maps[row], gaussian_filter(rough.numpy(), sigma=1.5))


def balanced(p: Tensor, masks: Tensor) -> Tensor:
    """Class-balanced focal loss, pixel by pixel."""
    right = torch.where(masks, p, 1 - p)
    each = -((1 - right) ** 2) * torch.log(right + 1e-8)
    return each[masks].mean() + each[~masks].mean()


def overlap(p: Tensor, masks: Tensor) -> Tensor:
    return 1 - (2 * p[masks].sum() + 1e-5) / (p.sum() + masks.sum() + 1e-5)


def squared_cosines(rows: Tensor) -> Tensor:
    pairs = [(rows[i] @ rows[j]) ** 2 for i in range(PROMPTS) for j in range(PROMPTS) if i != j]
    return torch.stack(pairs).sum() / PROMPTS**2


def stepped(method: LearntMethod, tower: Tower, stage: int) -> Losses:
    method.prepare((), stage)
    method._draws.manual_seed(4)  # type: ignore[attr-defined]
    features = tower.clip.encode_image(random_images(COUNT, tower.size), method.loss_taps)
    losses = method.loss(features, LABELS, masks_of(tower.size), ["pcb1", "metal_nut", "Class_X"])
    torch.autograd.backward(losses.total)
    return losses


@pytest.mark.parametrize("stage", [0, 1])
def test_a_training_step(tower: Tower, stage: int) -> None:
    method = built(tower)
    losses, there = stepped(method, tower, stage), leaves(method)
    generator = torch.Generator().manual_seed(4)
    pair = int(torch.randint(PROMPTS, (), generator=generator))
    noise = torch.randn(COUNT + 2, tower.shape.text_width, generator=generator)
    seen = [look(tower, image) for image in random_images(COUNT, tower.size)]
    features = [one.steps.head(ln_post=True) for one in seen]
    states = [
        drawn(there, which, noise[COUNT + n], features[0]) for n, which in enumerate(("normal", "abnormal"))
    ]
    entropies, maps, apart, divergences = [], [], [], []
    names = ("pcb1", "metal_nut", "Class_X")
    for row, (one, feature, name) in enumerate(zip(seen, features, names, strict=True)):
        context, excess, log_det = drawn(there, "context", noise[row], feature)
        both = texts(tower, there, name, context, [states[0][0], states[1][0]])
        divergences.append(excess - log_det)
        apart.append(squared_cosines(both[0]) + squared_cosines(both[1]))
        sides = [image_logit(there, it, feature, patches_of(one), pooled=stage > 0) for it in both[:, pair]]
        entropies.append(-torch.log_softmax(torch.stack(sides), dim=0)[LABELS[row]])
        pixels = [pixel_logits(tower, there, one, it) for it in both[:, pair]]
        maps.append([torch.sigmoid(a - n) for n, a in zip(*pixels, strict=True)])
    layers = [torch.stack(each) for each in zip(*maps, strict=True)]
    masks = masks_of(tower.size)
    parts = {"global": torch.stack(entropies).mean()}
    if stage == 0:
        parts |= {
            "focal": torch.stack([balanced(each, masks) for each in layers]).sum(),
            "dice_abnormal": torch.stack([overlap(each, masks) for each in layers]).sum(),
            "divergence": torch.stack(divergences).mean()
            + torch.stack([excess - log_det / COUNT for _, excess, log_det in states]).sum(),
            "orthogonality": torch.stack(apart).mean(),
        }
    weights = {"divergence": 0.01}
    total = torch.stack([weights.get(name, 1) * value for name, value in parts.items()]).sum()
    compare(method, losses, parts, total, there, ("image.",) if stage else ("",))


def compare(
    method: LearntMethod,
    losses: Losses,
    parts: dict[str, Tensor],
    total: Tensor,
    there: State,
    groups: tuple[str, ...],
) -> None:
    """Loss parts and the gradients of `groups`; the pooling weight's bias has a true gradient of 0."""
    assert losses.parts.keys() == parts.keys()
    for name, value in parts.items():
        assert losses.parts[name].item() == pytest.approx(value.item(), rel=TOLERANCE)
    assert losses.total.item() == pytest.approx(total.item(), rel=TOLERANCE)
    torch.autograd.backward(total)
    compared = set()
    for name, parameter in method.trainable().named_parameters():
        expected = there[name].grad
        if not name.startswith(groups) or name == "image.pooling.weight.bias":
            continue
        assert (parameter.grad is None) == (expected is None), name
        if parameter.grad is not None and expected is not None:
            compared.add(name.partition(".")[0])
            assert ((parameter.grad - expected).norm() / expected.norm()).item() < TOLERANCE, name
    assert compared == ({"image"} if groups == ("image.",) else set(stage_rates()))


def stage_rates() -> dict[str, float]:
    first, _ = methods.get("bayes_pfl").parse({}).training_on("visa")  # type: ignore[attr-defined]
    return dict(first.rates)


def test_a_flow_changes_volume_by_its_determinant() -> None:
    """Against the determinant of the Jacobian that autograd finds; without flows it is a Gaussian's draw."""
    generator = torch.Generator().manual_seed(0)
    u, w = (torch.randn(3, 5, generator=generator, dtype=torch.float64) for _ in range(2))
    b, noise = (torch.randn(n, generator=generator, dtype=torch.float64) for n in (3, 5))
    mean, log_variance = (torch.randn(5, generator=generator, dtype=torch.float64) for _ in range(2))
    density = Density(mean, log_variance, u, w, b)
    spread = (0.5 * log_variance).exp()
    jacobian = torch.autograd.functional.jacobian(lambda x: density.draw((x - mean) / spread)[0], noise)  # type: ignore[no-untyped-call]
    at = (noise - mean) / spread
    assert density.draw(at)[2].item() == pytest.approx(jacobian.det().abs().log().item(), abs=1e-3)
    plain = Density(mean, log_variance, u[:0], w[:0], b[:0])
    drawn_plain, excess, log_det = plain.draw(noise)
    close(drawn_plain, mean + spread * noise, 1e-12)
    wanted = 0.5 * (drawn_plain**2 - noise**2 - log_variance)  # of both densities, their constants cancel
    assert (excess.item(), log_det.item()) == pytest.approx((wanted.sum().item(), 0))


def test_the_context_is_the_images_and_the_states_are_not(tower: Tower) -> None:
    """Two images have other texts; with the image's encoder and flows silenced they have the same."""
    method, images = built(tower), random_images(2, tower.size)
    features = tower.clip.encode_image(images, method.taps)
    seen: list[Tensor] = []
    inner = method._texts  # type: ignore[attr-defined]

    def spy(*given: Any) -> Tensor:
        seen.append(inner(*given))
        return seen[-1]

    method._texts = spy  # type: ignore[attr-defined]
    method.score(features, method.text_features("pcb1"))
    apart = (seen[0] - seen[1]).abs().max().item()
    assert apart > 1e-3
    with torch.no_grad():
        for name, parameter in method.trainable().named_parameters():
            if name.startswith(("encoders.context.", "flows.context.")) and name.endswith("weight"):
                parameter.zero_()
    seen.clear()
    method.score(features, method.text_features("pcb1"))
    assert (seen[0] - seen[1]).abs().max().item() < 1e-6
    assert (seen[0][0] - seen[0][1]).abs().max().item() > 1e-3, "samples differ by their draws of the states"


def test_evaluation_draws_follow_the_seed_and_no_image(tower: Tower) -> None:
    """One image scores the same alone, again, and after others; another seed draws otherwise."""
    method, images = built(tower), random_images(3, tower.size)
    many, alone = scored(method, tower, images, "pcb1"), scored(method, tower, images[2:], "pcb1")
    close(alone.image, many.image[2:], 1e-6)
    close(alone.maps, many.maps[2:], 1e-6)
    kept = method.state()
    other = built(tower)
    other.load_state(kept | {"seed": kept["seed"] + 1})
    assert (scored(other, tower, images, "pcb1").image - many.image).abs().max() > 1e-4
    other.load_state(kept)
    assert torch.equal(scored(other, tower, images, "pcb1").maps, many.maps)


def test_more_draws_vary_less(tower: Tower) -> None:
    """Over seeds of evaluation the image score's spread shrinks as draws are averaged."""
    spreads = []
    for samples in (1, 16):
        method = built(tower, samples=samples, map_share=0)
        kept, found = method.state(), []
        for seed in range(8):
            method.load_state(kept | {"seed": torch.tensor(float(seed))})
            found.append(scored(method, tower, random_images(1, tower.size), "pcb1").image)
        spreads.append(torch.stack(found).std().item())
    assert spreads[1] < 0.5 * spreads[0]


def test_training_draws_are_fresh_each_step(tower: Tower) -> None:
    method = built(tower)
    features = tower.clip.encode_image(random_images(COUNT, tower.size), method.loss_taps)
    values = [
        method.loss(features, LABELS, masks_of(tower.size), ["a"] * COUNT).total.item() for _ in range(4)
    ]
    assert len(set(values)) == 4


def test_published_settings() -> None:
    settings = methods.get("bayes_pfl").parse({})
    wanted = {"layers": (6, 12, 18, 24), "prompts": 3, "n_ctx": 5, "n_state": 5, "flows": 10, "samples": 10}
    wanted |= {"sigma": 8.0, "map_share": 0.5, "top_pixels": 2000, "tower": "vand"}
    assert {key: getattr(settings, key) for key in wanted} == wanted
    assert stage_rates() == {
        "bank": 1e-3,
        "flows": 1e-3,
        "temperature": 1e-2,
        "encoders": 1e-4,
        "attention": 1e-4,
        "image": 1e-4,
    }
    for auxiliary, mosaic in (("mvtec", 0.4), ("visa", 0.0)):
        first, second = settings.training_on(auxiliary)  # type: ignore[attr-defined]
        assert [(it.epochs, it.batch, it.mosaic, it.augment) for it in (first, second)] == [
            (25, 32, mosaic, 0.5),
            (5, 32, mosaic, 0.5),
        ]
        assert second.rates == {"image": 1e-4}
        assert {second.rate(1e-4, step, 50) for step in range(50)} == {1e-4}


def test_rates_rise_and_fall_over_both_stages() -> None:
    """Two steps an epoch: 60 in all, six of them upwards; the first stage ends before the cosine does."""
    first, _ = methods.get("bayes_pfl").parse({}).training_on("visa")  # type: ignore[attr-defined]
    rates = [first.rate(1e-3, step, 50) for step in range(50)]
    assert rates[:7] == pytest.approx([1e-3 * step / 6 for step in range(7)])
    wanted = [1e-3 * 0.5 * (1 + math.cos(math.pi * (step - 6) / 54)) for step in range(6, 50)]
    assert rates[6:] == pytest.approx(wanted)


def test_initial_values(tower: Tower) -> None:
    method = methods.build("bayes_pfl", SETTINGS | {"prompts": 20, "flows": 20}, tower.clip)
    assert isinstance(method, LearntMethod)
    state = method.state()
    for vectors, mean in ((state["bank.context"], 0), *zip(state["bank.state"], (0.5, -0.5), strict=True)):
        assert vectors.mean().item() == pytest.approx(mean, abs=0.002)
        assert vectors.std().item() == pytest.approx(0.02, rel=0.08)
    assert state["encoders.state.mean.0.weight"].std().item() == pytest.approx(0.02, rel=0.2)
    assert state["flows.context.u.weight"].std().item() == pytest.approx(0.02, rel=0.05)
    assert state["flows.normal.u"].std().item() == pytest.approx(1, rel=0.1)
    assert state["attention.query.weight"].abs().max().item() == pytest.approx(24**-0.5, rel=0.02)
    for name in ("pixel", "image"):
        assert state[f"temperature.{name}"].exp().item() == pytest.approx(1 / 0.07)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_state": 70}, r"n_state: 70 vectors, but behind 3 of context there is room for 71"),
        ({"n_ctx": 5, "n_state": 70}, r"n_state: 70 vectors, but behind 5 .* room for 69"),
        ({"top_pixels": 2305}, r"top_pixels: 2305, but a map of this tower has 2304 pixels"),
    ],
)
def test_impossible_settings_are_refused(tower: Tower, changes: dict[str, Any], message: str) -> None:
    if changes == {"n_state": 70}:
        methods.build("bayes_pfl", SETTINGS | changes, tower.clip)  # just fits
        return
    with pytest.raises(ParamsError, match=r"methods\.bayes_pfl\." + message):
        methods.build("bayes_pfl", SETTINGS | changes, tower.clip)


def test_operations_of_an_images_own_texts() -> None:
    """133 GFLOP of 60 prompts of 13 tokens: 12 blocks of 24 L W² + 4 L² W at W = 768; heads by hand too.

    Each of four blocks: 2.15 of the patches, 0.45 of queries and their mixing, 0.64 of upsampling, 1.44 of
    pooling; and 0.56 of smoothing one map.
    """
    spec = TowerSpec("vand", "ViT-L-14-336", "none", 518, "bicubic", "gelu")
    state = build_model(read_config(spec.model), spec.activation, device="meta").state_dict()
    method = methods.build("bayes_pfl", {}, load_clip(spec, "meta", state))
    texts_alone = 60 * (12 * (24 * 13 * 768**2 + 4 * 13**2 * 768) + 2 * 768**2)
    assert texts_alone == pytest.approx(133e9, rel=0.01)
    assert method.flop == pytest.approx(
        texts_alone + 4 * (2.15e9 + 0.45e9 + 0.13e9 + 0.64e9 + 1.44e9), rel=0.01
    )
