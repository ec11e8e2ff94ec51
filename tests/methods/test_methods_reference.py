"""Every method's scores and maps against the written-out computation, within 1e-5 in float32."""

import math
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from torch import Tensor

import pipeline.methods
from pipeline import methods
from pipeline.clip import Windows
from pipeline.clip.architecture import import_open_clip
from pipeline.methods.base import LearntMethod, Method
from tests.clip.reference import close, unit
from tests.clip.towers import Shape, Tower, make_tower, random_images

from .reference import (
    DAMAGED,
    OBJECT,
    harmonic_window_map,
    look,
    paper_map,
    prompt_ids,
    softmax2,
    text_side,
    upsampled,
)

CLASS = "metal_nut"
SHORT = Shape(text_blocks=2)  # for the hundreds of prompts of the ensembles
SETTINGS: dict[str, dict[str, Any]] = {
    "clip": {"layers": [6], "sigma": 1.5},
    "clip_ac": {"layers": [6], "sigma": 1.5},
    "anomalyclip": {"layers": [4, 6], "dpam_start": 3, "deep_layers": 4, "sigma": 1.5},
    "coop": {"layers": [6], "sigma": 1.5},
    "vand": {"layers": [2, 3, 5, 6]},
    "winclip": {},
}


def built(name: str, tower: Tower) -> Method:
    method = methods.build(name, SETTINGS[name], tower.clip)
    if isinstance(method, LearntMethod):
        method.reset(torch.Generator().manual_seed(5))
    return method


@cache
def tokenizer() -> Any:
    return import_open_clip().tokenizer.SimpleTokenizer()


def tokens(text: str) -> list[int]:
    ids: list[int] = tokenizer().encode(text)
    return ids


def prompts(name: str, templates: str) -> tuple[list[str], list[str]]:
    """Both lists of prompts, made from the data file by plain replacement."""
    folder = Path(pipeline.methods.__file__).parent / "prompts"
    data = yaml.safe_load((folder / f"{name}.yaml").read_text())
    normal, abnormal = (
        [
            template.replace("{}", state.replace("{}", CLASS))
            for template in data["templates"][templates]
            for state in data["states"][side]
        ]
        for side in ("normal", "abnormal")
    )
    return normal, abnormal


def ensemble(tower: Tower, name: str, templates: str, *, each: bool) -> tuple[Tensor, Tensor]:
    features = []
    for side in prompts(name, templates):
        rows = text_side(tower, [prompt_ids(tokens(prompt), 0) for prompt in side])
        features.append(unit((unit(rows) if each else rows).mean(0)))
    return features[0], features[1]


def scored(method: Method, tower: Tower, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    text = method.text_features(CLASS)
    assert text is not None
    scores = method.score(tower.clip.encode_image(images, method.taps), text)
    assert scores.image.dtype == scores.maps.dtype == torch.float32
    return text, scores.image, scores.maps


@pytest.mark.parametrize(("name", "templates"), [("clip", "single"), ("clip_ac", "imagenet_80")])
def test_clip_and_clip_ac(tmp_path: Path, name: str, templates: str) -> None:
    tower = make_tower(tmp_path, shape=SHORT)
    images = random_images(2, tower.size)
    text, image_scores, maps = scored(built(name, tower), tower, images)
    normal, abnormal = ensemble(tower, name, templates, each=True)
    close(text, torch.stack([normal, abnormal]))
    for row, image in enumerate(images):
        seen = look(tower, image)
        close(image_scores[row], softmax2(seen.steps.head(ln_post=True), normal, abnormal, 0.07)[1])
        patches = softmax2(seen.steps.projected(seen.steps.o[6]), normal, abnormal, 0.07)
        close(maps[row], paper_map([patches], tower.size, 1.5))


def learnt_pair(
    tower: Tower, words: Sequence[Sequence[int]], context: Tensor, deep: Sequence[Tensor]
) -> tuple[Tensor, Tensor]:
    contexts = context if len(context) == 2 else context.expand(2, -1, -1)
    n_ctx = context.shape[1]
    features = unit(text_side(tower, [prompt_ids(word, n_ctx) for word in words], contexts, deep))
    return features[0], features[1]


def test_anomalyclip(tower: Tower) -> None:
    method = built("anomalyclip", tower)
    assert isinstance(method, LearntMethod)
    state = method.state()
    deep = [state[f"deep.{number}"] for number in range(4)]
    images = random_images(2, tower.size)
    text, image_scores, maps = scored(method, tower, images)
    normal, abnormal = learnt_pair(tower, [OBJECT, DAMAGED], state["context"], deep)
    close(text, torch.stack([normal, abnormal]))
    for row, image in enumerate(images):
        seen = look(tower, image, start=3)
        close(image_scores[row], softmax2(seen.steps.head(ln_post=False), normal, abnormal, 0.07)[1])
        streams = [seen.steps.streams["vv"][layer] for layer in (4, 6)]
        layers = [softmax2(seen.steps.projected(stream), normal, abnormal, 0.07) for stream in streams]
        close(maps[row], paper_map(layers, tower.size, 1.5))


def test_coop(tower: Tower) -> None:
    method = built("coop", tower)
    assert isinstance(method, LearntMethod)
    context = method.state()["context"]
    assert context.shape[:2] == (1, 16)
    images = random_images(2, tower.size)
    text, image_scores, maps = scored(method, tower, images)
    words = [tokens(f"{state} metal nut.") for state in ("normal", "anomalous")]
    normal, abnormal = learnt_pair(tower, words, context, ())
    close(text, torch.stack([normal, abnormal]))
    for row, image in enumerate(images):
        seen = look(tower, image)
        close(image_scores[row], softmax2(seen.steps.head(ln_post=True), normal, abnormal, 0.07)[1])
        patches = softmax2(seen.steps.projected(seen.steps.o[6]), normal, abnormal, 0.07)
        close(maps[row], paper_map([patches], tower.size, 1.5))


def vand_maps(
    method: LearntMethod, tower: Tower, image: Tensor, text: Sequence[Tensor]
) -> list[tuple[Tensor, Tensor]]:
    """Normal and abnormal map of each layer."""
    state = {name: value.double() for name, value in method.state().items()}
    seen, maps = look(tower, image), []
    for number, layer in enumerate((2, 3, 5, 6)):
        projected = seen.steps.o[layer][1:] @ state[f"fc.{number}.weight"].T + state[f"fc.{number}.bias"]
        side = seen.grid
        logits = [
            upsampled((100 * unit(projected) @ feature).reshape(side, side), tower.size, corners=True)
            for feature in text
        ]
        abnormal = 1 / (1 + torch.exp(logits[0] - logits[1]))
        maps.append((1 - abnormal, abnormal))
    return maps


def test_vand_on_a_gelu_tower(tmp_path: Path) -> None:
    tower = make_tower(tmp_path, position="bicubic", activation="gelu", shape=SHORT)
    method = built("vand", tower)
    assert isinstance(method, LearntMethod)
    images = random_images(2, tower.size)
    text, image_scores, maps = scored(method, tower, images)
    pair = ensemble(tower, "vand", "released_35", each=True)
    close(text, torch.stack(pair))
    for row, image in enumerate(images):
        close(image_scores[row], softmax2(look(tower, image).steps.head(ln_post=True), *pair, 0.01)[1])
        close(
            maps[row], torch.stack([abnormal for _, abnormal in vand_maps(method, tower, image, pair)]).sum(0)
        )


def test_winclip(tmp_path: Path) -> None:
    tower = make_tower(tmp_path, size=40, position="native", activation="gelu", shape=SHORT)
    images = random_images(2, tower.size)
    text, image_scores, maps = scored(built("winclip", tower), tower, images)
    pair = ensemble(tower, "winclip", "released_21", each=False)
    close(text, torch.stack(pair))
    for row, image in enumerate(images):
        seen = look(tower, image)
        z = softmax2(seen.steps.head(ln_post=True), *pair, 0.07)[1]
        close(image_scores[row], z)
        close(maps[row], upsampled(harmonic_window_map(tower, seen, pair, float(z)), tower.size))


def test_winclip_does_not_score_what_is_not_a_number(tmp_path: Path) -> None:
    """A map of zeros would rank as normal; the metrics refuse NaN and name the image."""
    tower = make_tower(tmp_path, size=40, position="native", activation="gelu", shape=SHORT)
    method = built("winclip", tower)
    features = dict(tower.clip.encode_image(random_images(2, tower.size), method.taps))
    features[Windows(2)][0, 3] = torch.nan
    maps = method.score(features, method.text_features(CLASS)).maps
    assert maps[0].isnan().any()
    assert maps[1].isfinite().all()


def test_anomalyclip_at_full_depth_and_resolution(tmp_path: Path) -> None:
    """The paper's settings: 24 blocks, V-V from block 6, 518 px, an odd-sized picture squashed."""
    shape = Shape(blocks=24, width=16, patch=14, pretrain=336, text_blocks=12)
    tower = make_tower(tmp_path, size=518, shape=shape)
    method = methods.build("anomalyclip", {}, tower.clip)
    assert isinstance(method, LearntMethod)
    method.reset(torch.Generator().manual_seed(111))
    picture = Image.fromarray(random_images(1, 331)[0, :, :257].numpy()).resize(
        (518, 518), Image.Resampling.BICUBIC
    )
    images = torch.from_numpy(np.array(picture))[None]
    text, image_scores, maps = scored(method, tower, images)
    state = method.state()
    pair = learnt_pair(
        tower, [OBJECT, DAMAGED], state["context"], [state[f"deep.{number}"] for number in range(8)]
    )
    seen = look(tower, images[0], start=6)
    assert math.isqrt(len(seen.steps.projected(seen.steps.streams["vv"][24]))) == 37
    patches = softmax2(seen.steps.projected(seen.steps.streams["vv"][24]), *pair, 0.07)
    close(text, torch.stack(pair))
    close(image_scores[0], softmax2(seen.steps.head(ln_post=False), *pair, 0.07)[1])
    close(maps[0], paper_map([patches], 518, 4.0))
