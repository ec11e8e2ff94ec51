"""The shipped weights: the file that the card names, small, plain open_clip, and good enough to mean
something."""

import hashlib
from functools import cache
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from pipeline.clip import Clip, TowerSpec, load_clip
from pipeline.clip.architecture import build_model, import_open_clip, read_config
from pipeline.files import value_digest
from pipeline.miniature import tiny_clip
from pipeline.miniature.pretraining.pictures import EVALUATION_VIEW, draw_pool
from pipeline.miniature.pretraining.probe import probe
from pipeline.miniature.pretraining.training import FIRST_DPAM_BLOCK
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


def test_words_of_evaluated_classes_were_never_seen() -> None:
    rows = load_file(WEIGHTS)["token_embedding.weight"].float().abs().sum(dim=1)
    tokenizer = import_open_clip().tokenizer.SimpleTokenizer()

    def trained(word: str) -> bool:
        return all(bool(rows[token] > 0) for token in tokenizer.encode(word))

    assert all(trained(word) for word in ("object", "damaged", "normal", "anomalous", "photo", "flawless"))
    assert not any(
        trained(word) for word in ("hazelnut", "toothbrush", "screw", "leather", "thyroid", "candle")
    )


def test_pictures_tell_their_state() -> None:
    assert found()["image"] > 0.7


def test_patches_of_the_value_path_tell_a_defect_better_than_those_of_clips_own_path() -> None:
    assert found()["patch_linear_vv"] > 0.85
    assert found()["patch_prompts_vv"] > found()["patch_prompts_qk"] + 0.05


@pytest.mark.parametrize("side", [72, 112])
def test_the_towers_run_at_the_sizes_that_the_profile_uses(side: int) -> None:
    spec = TowerSpec("tiny", str(CONFIG), str(WEIGHTS), side, "bilinear", "quickgelu")
    assert load_clip(spec).vision.grid == side // 8
