"""The shipped weights: the file that the card names, small, plain open_clip, and good enough to mean
something."""

import hashlib
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch.nn import functional

from pipeline.clip import Clip, Global, TowerSpec, load_clip
from pipeline.clip.architecture import build_model, import_open_clip, read_config
from pipeline.files import value_digest
from pipeline.miniature import tiny_clip
from pipeline.miniature.pretraining.pictures import EVALUATION_VIEW, draw_pool
from pipeline.miniature.pretraining.probe import auroc, probe
from pipeline.miniature.pretraining.training import FIRST_DPAM_BLOCK
from pipeline.miniature.pretraining.vocabulary import ASSOCIATIONS
from tests.miniature.facts import read_facts

FOLDER = Path(tiny_clip.__file__).parent
CONFIG, WEIGHTS, CARD = FOLDER / "config.json", FOLDER / "model.safetensors", FOLDER / "README.md"


@cache
def tiny() -> Clip:
    return load_clip(TowerSpec("tiny", str(CONFIG), str(WEIGHTS), 112, "bilinear", "quickgelu"))


@cache
def found() -> dict[str, float]:
    return probe(tiny(), draw_pool(60, EVALUATION_VIEW, seed=2026), start=FIRST_DPAM_BLOCK)


def test_the_card_names_this_file() -> None:
    card = CARD.read_text()
    facts = read_facts(WEIGHTS)
    assert hashlib.sha256(WEIGHTS.read_bytes()).hexdigest() in card
    assert facts["command"] in card
    assert f"| {facts['seed']} |" in card
    assert value_digest(read_config(str(CONFIG))) == facts["config"]


def test_the_file_is_small_and_half_precision() -> None:
    assert WEIGHTS.stat().st_size < 11_000_000
    with safe_open(WEIGHTS, framework="pt") as file:
        kinds = {file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118 - no iterator
    assert kinds == {"F16"}


def test_a_plain_open_clip_model_takes_the_weights() -> None:
    model = build_model(read_config(str(CONFIG)), "quickgelu")
    state = {name: tensor.float() for name, tensor in load_file(WEIGHTS).items()}
    model.load_state_dict(state, strict=True)
    assert all(bool(tensor.isfinite().all()) for tensor in state.values())
    tokens = import_open_clip().tokenizer.SimpleTokenizer()(["a photo of a damaged object."])
    with torch.no_grad():
        expected = model.encode_text(tokens)
    assert torch.allclose(tiny().text.encode(["a photo of a damaged object."]), expected, atol=1e-4)


def test_the_architecture_has_what_dpam_needs() -> None:
    config = read_config(str(CONFIG))
    assert config["vision_cfg"]["layers"] == 8
    assert config["vision_cfg"]["patch_size"] == 8
    assert config["text_cfg"]["layers"] == 6
    assert config["text_cfg"]["vocab_size"] == 49408
    assert config["text_cfg"]["context_length"] == 77


def test_words_of_evaluated_classes_and_of_states_were_never_seen() -> None:
    rows = load_file(WEIGHTS)["token_embedding.weight"].float().abs().sum(dim=1)
    tokenizer = import_open_clip().tokenizer.SimpleTokenizer()

    def known(word: str) -> bool:
        return all(bool(rows[token] > 0) for token in tokenizer.encode(word))

    assert all(known(word) for word in ("object", "photo", "odd", "whole", "crack", *ASSOCIATIONS))
    strange = ("hazelnut", "toothbrush", "screw", "leather", "thyroid", "candle", "unblemished", "flawed")
    assert not any(known(word) for word in strange)


def test_a_word_of_a_prompt_is_what_the_words_are_that_it_is_associated_with() -> None:
    rows = load_file(WEIGHTS)["token_embedding.weight"].float()
    ids = import_open_clip().tokenizer.SimpleTokenizer().encode
    for word, near in ASSOCIATIONS.items():
        mean = rows[[token for other in near for token in ids(other)]].mean(dim=0)
        assert all(torch.allclose(rows[token], mean, atol=2e-3) for token in ids(word)), word


def test_a_pictures_state_is_in_the_class_token_and_prompts_written_by_hand_miss_most_of_it() -> None:
    assert 0.5 < found()["image"] < 0.75
    assert states("even object", "odd object") > 0.75


def states(whole: str, spoiled: str) -> float:
    """How well two sentences in the words of the pretraining tell damaged pictures from whole ones."""
    pool, tap = draw_pool(60, EVALUATION_VIEW, seed=2026), Global()
    images = torch.from_numpy(pool.images).flatten(0, 1)
    features = functional.normalize(tiny().encode_image(images, frozenset([tap]))[tap], dim=-1)
    texts = functional.normalize(tiny().text.encode([whole, spoiled]), dim=-1)
    return auroc(np.arange(len(images)) % 2, (features @ (texts[1] - texts[0])).detach())


def test_patches_of_the_value_path_tell_a_defect_better_than_those_of_clips_own_path() -> None:
    assert found()["patch_linear_vv"] > 0.9
    assert found()["patch_linear_vv"] > found()["patch_linear_qk"]


@pytest.mark.parametrize("side", [72, 112])
def test_the_towers_run_at_the_sizes_that_the_profile_uses(side: int) -> None:
    spec = TowerSpec("tiny", str(CONFIG), str(WEIGHTS), side, "bilinear", "quickgelu")
    assert load_clip(spec).vision.grid == side // 8
