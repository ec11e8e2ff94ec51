"""AF-CLIP against a loop written from its description: scores, a training step, and each of its own ideas."""

from typing import Any

import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from pipeline import methods
from pipeline.clip import TowerSpec, load_clip
from pipeline.clip.architecture import build_model, read_config
from pipeline.errors import ParamsError
from pipeline.methods.base import LearntMethod
from pipeline.methods.layers import neighbourhood
from tests.clip.reference import block, close, doubled, layer_norm, unit
from tests.clip.towers import Tower, random_images

from .reference import EOT, SOT, Seen, look, upsampled
from .test_methods_reference import tokens
from .test_training_step import COUNT, LABELS, compare, leaves, masks_of

LAYERS = (2, 4, 5, 6)
# At 0.07 twelve random maps are so sure that float32 has no logarithm of the rest.
TEMPERATURE = 0.5
SETTINGS: dict[str, Any] = {"layers": LAYERS, "n_ctx": 3, "sigma": 1.5, "temperature": TEMPERATURE}
WORDS = ("without defect.", "with defect.")

State = dict[str, Tensor]


def built(tower: Tower, **changes: Any) -> LearntMethod:
    method = methods.build("af_clip", SETTINGS | changes, tower.clip)
    assert isinstance(method, LearntMethod)
    method.reset(torch.Generator().manual_seed(9))
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():  # a norm that does something, and attention that tells patches apart
        for name, parameter in method.trainable().named_parameters():
            if ".norm." in name:
                parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
            if ".to_q." in name or ".to_k." in name:
                parameter.mul_(5)
    return method


def text_of(tower: Tower, state: State) -> tuple[Tensor, Tensor]:
    """The context in front of the start token, read at the end token."""
    w, features = doubled(tower.state), []
    for words in WORDS:
        ids = [SOT, *tokens(words), EOT]
        x = torch.cat([state["prompts.context"][0].double(), w["token_embedding.weight"][torch.tensor(ids)]])
        x = x + w["positional_embedding"][: len(x)]
        for number in range(tower.shape.text_blocks):
            width = tower.shape.text_width // tower.shape.text_heads
            x = block(x, w, f"transformer.resblocks.{number}", width, "quickgelu", causal=True)
        features.append(unit(layer_norm(x[-1], w, "ln_final") @ w["text_projection"]))
    return features[0], features[1]


def pooled(patches: Tensor, grid: int, side: int) -> Tensor:
    """Patch by patch: Gaussian weights of σ 4 that sum to 1 over the whole square, zeros outside."""
    reach = side // 2
    square = [(y, x) for y in range(-reach, reach + 1) for x in range(-reach, reach + 1)]
    weights = {at: 2.718281828459045 ** (-(at[0] ** 2 + at[1] ** 2) / 32) for at in square}
    whole = sum(weights.values())
    rows = []
    for row in range(grid):
        for column in range(grid):
            near = torch.zeros_like(patches[0])
            for (y, x), weight in weights.items():
                if 0 <= row + y < grid and 0 <= column + x < grid:
                    near = near + weight / whole * patches[(row + y) * grid + column + x]
            rows.append(near)
    return torch.stack(rows)


def adapted(tower: Tower, seen: Seen, state: State) -> list[Tensor]:
    """The twelve token maps of an image in the joint space, normalised."""
    w, maps = doubled(tower.state), []
    part = {name.removeprefix("adaptor."): value.double() for name, value in state.items()}
    for layer in LAYERS:
        raw = seen.steps.o[layer]
        for side in (1, 3, 5):
            x = torch.cat([raw[:1], pooled(raw[1:], seen.grid, side)])
            mean, spread = x.mean(-1, keepdim=True), x.var(-1, unbiased=False, keepdim=True)
            x = (x - mean) / (spread + 1e-5).sqrt() * part["norm.weight"] + part["norm.bias"]
            q, k, v = (x @ part[f"to_{name}.weight"].T for name in "qkv")
            heads = []
            for head in range(8):
                own = slice(64 * head, 64 * head + 64)
                heads.append((q[:, own] @ k[:, own].T / 8).softmax(-1) @ v[:, own])
            y = torch.cat(heads, dim=1) @ part["out_proj.weight"].T + part["out_proj.bias"]
            maps.append(unit(layer_norm(y, w, "visual.ln_post") @ w["visual.proj"]))
    return maps


def abnormal(maps: list[Tensor], text: tuple[Tensor, Tensor]) -> Tensor:
    difference = torch.stack([(each @ (text[1] - text[0])) / TEMPERATURE for each in maps]).sum(0)
    return 1 / (1 + torch.exp(-difference))


def test_scores(tower: Tower) -> None:
    method, images = built(tower), random_images(2, tower.size)
    text = text_of(tower, method.state())
    own = method.text_features("")
    assert own is not None
    close(own, torch.stack(text))
    scores = method.score(tower.clip.encode_image(images, method.taps), own)
    for row, image in enumerate(images):
        seen = look(tower, image)
        p = abnormal(adapted(tower, seen, method.state()), text)
        close(scores.image[row], p[0])
        rough = upsampled(p[1:].reshape(seen.grid, seen.grid), tower.size)
        close(scores.maps[row], gaussian_filter(rough.numpy(), sigma=1.5))


def binary_focal(p: Tensor, t: Tensor) -> Tensor:
    entropy = -(t * torch.log(p) + (1 - t) * torch.log(1 - p))
    return (entropy * (1 - (p * t + (1 - p) * (1 - t))) ** 4).mean()


def alignment(maps: list[list[Tensor]], target: Tensor) -> Tensor:
    """Pair by pair, over all images of the batch, for each of the twelve maps."""
    parts = []
    for each in zip(*maps, strict=True):
        unlike, alike = [], []
        for patches, marks in zip(each, target, strict=True):
            cosines = patches[1:] @ patches[1:].T
            known = (marks[:, None] != 0.5) & (marks[None] != 0.5)
            same = marks[:, None] == marks[None]
            unlike.append(cosines[known & ~same])
            alike.append(cosines[known & same])
        gap = torch.cat(unlike).mean() - torch.cat(alike).mean()
        parts.append(gap if gap > 0 else 0 * gap)
    return torch.stack(parts).mean()


def step(tower: Tower, gradient: str, **changes: Any) -> None:
    method = built(tower, gradient=gradient, **changes)
    images = random_images(COUNT, tower.size)
    losses = method.loss(
        tower.clip.encode_image(images, method.taps), LABELS, masks_of(tower.size), ["a"] * COUNT
    )
    torch.autograd.backward(losses.total)
    there = leaves(method)
    text, grid = text_of(tower, there), tower.size // tower.shape.patch
    maps = [adapted(tower, look(tower, image), there) for image in images]
    p = torch.stack([abnormal(each, text) for each in maps])
    shares = torch.stack([resized(mask, grid) for mask in masks_of(tower.size)])
    target = torch.where(shares == 0.5, shares, (shares > 0.5).double())
    assert (target == 0.5).any(), "a share of exactly one half is among them"
    patches = p[:, 1:]
    if gradient == "as_coded":
        patches.register_hook(lambda slope: slope + overwritten(patches.detach(), target))  # type: ignore[no-untyped-call]
    parts = {
        "global": binary_focal(p[:, 0], LABELS.double()),
        "focal": binary_focal(patches, target),
        "l1": (patches - target).abs().mean(),
        "alignment": alignment(maps, target),
    }
    total = parts["global"] + parts["focal"] + parts["l1"] + parts["alignment"]
    compare(method, losses, parts, total, there)


def overwritten(p: Tensor, target: Tensor) -> Tensor:
    """What the public code's gradient has more where the target is 0, per patch of the mean."""
    run = p**3 * (1 + p) / (1 - p) - 8 * p**3 * torch.log(1 - p)
    meant = p**4 / (1 - p) - 4 * p**3 * torch.log(1 - p)
    return (target == 0) * (run - meant) / target.numel()


def resized(mask: Tensor, grid: int) -> Tensor:
    """Share at each patch: bilinear without antialias, the mean of the four pixels at its centre."""
    patch = len(mask) // grid
    low = torch.arange(grid) * patch + patch // 2 - 1
    corners = [mask[low + y][:, low + x].double() for y in (0, 1) for x in (0, 1)]
    return (torch.stack(corners).sum(0) / 4).flatten()


@pytest.mark.parametrize("gradient", ["as_coded", "of_loss"])
def test_a_training_step(tower: Tower, gradient: str) -> None:
    step(tower, gradient)


def test_without_abnormal_patches_nothing_is_aligned(tower: Tower) -> None:
    method = built(tower)
    features = tower.clip.encode_image(random_images(2, tower.size), method.taps)
    masks = torch.zeros(2, tower.size, tower.size, dtype=torch.bool)
    losses = method.loss(features, torch.zeros(2, dtype=torch.int64), masks, ["a", "a"])
    assert losses.parts["alignment"].item() == 0
    torch.autograd.backward(losses.total)
    for parameter in method.trainable().parameters():
        assert parameter.grad is not None
        assert parameter.grad.isfinite().all()


def test_published_settings() -> None:
    settings = methods.get("af_clip").parse({})
    wanted = {"layers": (6, 12, 18, 24), "neighbourhoods": (1, 3, 5), "n_ctx": 12, "temperature": 0.07}
    assert {key: getattr(settings, key) for key in wanted} == wanted
    (stage,) = settings.training_on("mvtec")  # type: ignore[attr-defined]
    assert (stage.epochs, stage.batch, stage.lr, stage.redrawn) == (2, 8, 1e-4, 0)


def test_initial_values(tower: Tower) -> None:
    method = methods.build("af_clip", {"layers": [6], "n_ctx": 60}, tower.clip)
    assert isinstance(method, LearntMethod)
    state = method.state()
    assert state["prompts.context"].std().item() == pytest.approx(0.01, rel=0.08)
    assert (state["adaptor.norm.weight"] == 1).all()
    assert (state["adaptor.norm.bias"] == 0).all()
    for name, inputs in (("to_q.weight", 32), ("to_v.weight", 32), ("out_proj.weight", 512)):
        assert state[f"adaptor.{name}"].abs().max().item() == pytest.approx(inputs**-0.5, rel=0.01)


def test_an_even_neighbourhood_has_no_middle(tower: Tower) -> None:
    with pytest.raises(ParamsError, match=r"methods\.af_clip\.neighbourhoods: .*2 is even"):
        methods.build("af_clip", {"layers": [6], "neighbourhoods": [1, 2]}, tower.clip)


def test_a_neighbourhood_reaches_its_patches_and_no_others(tower: Tower) -> None:
    """One patch altered: with 3 x 3 the 9 around it change their mean, all else stays."""
    tokens = torch.randn(1, 1 + 36, 4, generator=torch.Generator().manual_seed(1))
    altered = tokens.clone()
    altered[0, 1 + 2 * 6 + 3] += 1
    moved = (neighbourhood(altered, 3, 4.0) - neighbourhood(tokens, 3, 4.0))[0].abs().amax(-1) > 1e-6
    assert not moved[0]
    around = {(y, x) for y in (1, 2, 3) for x in (2, 3, 4)}
    assert {divmod(int(at), 6) for at in moved[1:].nonzero().flatten()} == around


def test_operations_of_the_published_adaptor() -> None:
    """141 GFLOP an image at 518 px: of 1,370 tokens 4.31 + 3.84 + 1.44 + 2.15 for each of twelve maps."""
    spec = TowerSpec("main", "ViT-L-14-336", "none", 518, "bilinear", "quickgelu")
    state = build_model(read_config(spec.model), spec.activation, device="meta").state_dict()
    assert methods.build("af_clip", {}, load_clip(spec, "meta", state)).flop == pytest.approx(
        140.9e9, rel=1e-3
    )
