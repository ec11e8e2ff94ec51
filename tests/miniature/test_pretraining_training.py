"""Losses against sums written out, and the training loop on a pool of a few pictures."""

import hashlib
import json
import math
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from statistics import fmean

import pytest
import torch
from torch.nn import functional

from pipeline.clip import TowerSpec, load_clip
from pipeline.clip.text import TextTower
from pipeline.errors import TrainingError
from pipeline.miniature.pretraining import __main__ as command
from pipeline.miniature.pretraining import training
from pipeline.miniature.pretraining.contrasts import PATCH_TEMPERATURE, TOUCHED, caption_loss, patch_loss
from pipeline.miniature.pretraining.pictures import EVALUATION_VIEW, TRAINING_VIEW, draw_pool
from pipeline.miniature.pretraining.probe import probe
from pipeline.miniature.pretraining.training import Schedule, Towers, associate, learning_rate, train
from pipeline.miniature.pretraining.weights import save_weights
from tests.miniature.facts import read_facts

CONFIG = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 72, "layers": 4, "width": 32, "head_width": 16, "patch_size": 8},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 2},
}
SHORT = Schedule(stages=((3, 48), (2, 72)), pairs=4)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Many small products: more threads only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def unit(*shape: int, seed: int) -> torch.Tensor:
    values = torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return functional.normalize(values, dim=-1)


def test_caption_loss_is_the_mean_of_both_cross_entropies() -> None:
    images, texts, scale = unit(3, 8, seed=0), unit(3, 8, seed=1), torch.tensor(10.0)
    logits = [[float(10 * image @ text) for text in texts] for image in images]
    expected = 0.0
    for i in range(3):
        expected += math.log(sum(math.exp(value) for value in logits[i])) - logits[i][i]
        expected += math.log(sum(math.exp(logits[j][i]) for j in range(3))) - logits[i][i]
    found = caption_loss(images, texts, torch.eye(3, dtype=torch.bool), scale)
    assert float(found) == pytest.approx(expected / 6)


def test_equal_captions_share_the_target() -> None:
    images, texts = unit(3, 8, seed=2), unit(3, 8, seed=3)
    texts[1] = texts[0]
    same = torch.tensor([[1, 1, 0], [1, 1, 0], [0, 0, 1]], dtype=torch.bool)
    logits = 10 * images @ texts.T
    rows, columns = (torch.log_softmax(logits, dim=dim) for dim in (1, 0))
    twice = sum(log[i, j] / 2 for log in (rows, columns) for i in (0, 1) for j in (0, 1))
    expected = float(-(twice + rows[2, 2] + columns[2, 2]) / 6)
    assert float(caption_loss(images, texts, same, torch.tensor(10.0))) == pytest.approx(expected)


def test_no_picture_may_choose_a_sentence_about_pieces() -> None:
    images, texts, scale = unit(2, 8, seed=0), unit(4, 8, seed=1), torch.tensor(10.0)
    same = torch.eye(2, 4, dtype=torch.bool)
    rows = torch.log_softmax(10 * images @ texts.T, dim=1)
    columns = torch.log_softmax(10 * images @ texts[:2].T, dim=0)
    expected = -sum(float(log[i, i]) for log in (rows, columns) for i in (0, 1)) / 4
    assert float(caption_loss(images, texts, same, scale)) == pytest.approx(expected)


def test_patch_loss_against_loops() -> None:
    patches, texts = unit(4, 5, 8, seed=4), unit(7, 8, seed=5)
    coverage = torch.tensor([[0, 0, 0.1, 0.5, 1], [0, 0.2, 0, 0, 0.05]], dtype=torch.float64)
    untouched: list[float] = []
    before: list[float] = []
    damaged: list[float] = []
    for row in range(4):
        pair = row % 2
        for place in range(5):
            powers = [math.exp(float(patches[row, place] @ text) / PATCH_TEMPERATURE) for text in texts]
            losses = [
                -math.log(powers[own] / (powers[pair] + powers[pair + 2]))
                - math.log(powers[own] / sum(powers))
                for own in (pair, pair + 2)
            ]
            share = float(coverage[pair, place])
            if share == 0:
                untouched.append(losses[0])
            elif share > TOUCHED:
                (before if row < 2 else damaged).append(losses[row // 2])
    assert (len(untouched), len(before), len(damaged)) == (10, 3, 3)
    expected = (2 * fmean(damaged) + fmean(before) + fmean(untouched)) / 4
    assert float(patch_loss(patches, texts, coverage)) == pytest.approx(expected)


def test_a_stopped_training_goes_on_to_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "_KEEP_EVERY", 2)
    pool, kept = draw_pool(6, TRAINING_VIEW, seed=3), tmp_path / "unfinished.pt"

    def stop(step: int, *_losses: float) -> None:
        if step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(CONFIG, pool, SHORT, seed=4, report=stop, kept=kept)
    steps: list[int] = []
    rest = train(CONFIG, pool, SHORT, seed=4, report=lambda step, *_: steps.append(step), kept=kept)
    assert steps == [3, 4, 5]
    whole = train(CONFIG, pool, SHORT, seed=4).state_dict()
    assert all(torch.equal(value, whole[name]) for name, value in rest.state_dict().items())
    with pytest.raises(TrainingError, match="another config, schedule or seed"):
        train(CONFIG, pool, SHORT, seed=5, kept=kept)


def test_a_word_that_no_sentence_held_takes_the_mean_of_its_company() -> None:
    model = train(CONFIG, draw_pool(4, TRAINING_VIEW, seed=3), SHORT, seed=4)
    tower, rows = TextTower(model), model.token_embedding.weight.detach()
    (photo,), (known,), (unknown,) = (tower.tokens(word)[1:-1] for word in ("photo", "picture", "damaged"))
    before = rows.clone()
    assert not before[unknown].any()
    associate(model, {"damaged": ("photo", "picture"), "photo": ("picture",)})
    assert torch.allclose(rows[unknown], (before[photo] + before[known]) / 2)
    assert torch.equal(rows[photo], before[photo])


def test_learning_rate_warms_up_and_falls_to_nothing() -> None:
    schedule = Schedule(stages=((90, 48), (10, 72)), rate=1.0, warmup=0.1)
    rates = [learning_rate(step, schedule) for step in range(1, 101)]
    assert rates[:10] == pytest.approx([step / 10 for step in range(1, 11)])
    assert rates[54] == pytest.approx(0.5)
    assert rates[-1] == pytest.approx(0)
    assert all(later < earlier for earlier, later in pairwise(rates[9:]))


def test_towers_read_what_evaluation_reads() -> None:
    """At the native size, the picture feature is that of open_clip's own forward."""
    pool = draw_pool(2, TRAINING_VIEW, seed=1)
    model = train(CONFIG, pool, Schedule(stages=((1, 72),), pairs=2), seed=1)
    images = torch.from_numpy(pool.images[:, 0])
    mean = torch.tensor([0.48145466, 0.4578275, 0.40821073]).view(3, 1, 1)
    std = torch.tensor([0.26862954, 0.26130258, 0.27577711]).view(3, 1, 1)
    with torch.no_grad():
        expected = model.encode_image((images.permute(0, 3, 1, 2) / 255 - mean) / std, normalize=True)
        found, patches = Towers(model, CONFIG).read(images, (0, 0))
    assert torch.allclose(found, expected, atol=1e-5)
    assert patches.shape == (2, 81, 16)


def test_training_is_repeatable_reports_every_step_and_leaves_the_global_generator_alone() -> None:
    pool = draw_pool(6, TRAINING_VIEW, seed=3)
    before = torch.random.get_rng_state()
    reports: list[tuple[int, float, float]] = []
    one = train(CONFIG, pool, SHORT, seed=4, report=lambda *step: reports.append(step))
    two = train(CONFIG, pool, SHORT, seed=4)
    other = train(CONFIG, pool, SHORT, seed=5)
    assert torch.equal(before, torch.random.get_rng_state())
    assert [step for step, _, _ in reports] == [1, 2, 3, 4, 5]
    state = one.state_dict()
    assert all(torch.equal(value, two.state_dict()[name]) for name, value in state.items())
    assert not torch.equal(state["visual.proj"], other.state_dict()["visual.proj"])


def test_words_that_never_came_up_have_zero_embeddings() -> None:
    pool = draw_pool(4, TRAINING_VIEW, seed=3)
    rows = train(CONFIG, pool, SHORT, seed=4).token_embedding.weight.detach().abs().sum(dim=1)
    assert rows[49406] > 0  # start of text
    assert rows[49407] > 0
    assert 10 < int((rows > 0).sum()) < 200


def test_training_learns_a_pool_of_two_twins() -> None:
    pool = draw_pool(2, TRAINING_VIEW, seed=9)
    reports: list[tuple[int, float, float]] = []
    schedule = Schedule(stages=((40, 48),), pairs=2, rate=5e-3)
    train(CONFIG, pool, schedule, seed=1, report=lambda *step: reports.append(step))
    first, last = (sum(caption for _, caption, _ in part) for part in (reports[:5], reports[-5:]))
    assert last < 0.8 * first
    first, last = (sum(patch for _, _, patch in part) for part in (reports[:5], reports[-5:]))
    assert last < 0.8 * first


def test_the_command_writes_weights_that_load_and_a_card_that_names_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "_HELD_OUT", 8)
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    command.make(tmp_path, seed=2, processes=1, twins=4, schedule=SHORT)
    weights = tmp_path / "model.safetensors"
    first = weights.read_bytes()
    command.make(tmp_path, seed=2, processes=1, twins=4, schedule=SHORT)
    assert weights.read_bytes() == first
    facts = read_facts(weights)
    assert facts["seed"] == 2
    assert facts["schedule"]["pairs"] == 4
    card = (tmp_path / "README.md").read_text()
    assert hashlib.sha256(first).hexdigest() in card
    assert facts["command"] in card


def test_probe_sees_a_marked_feature_and_nothing_in_noise(tmp_path: Path) -> None:
    """A tower whose patches hold the brightness of their pixels finds black defects."""
    model = train(CONFIG, draw_pool(2, TRAINING_VIEW, seed=1), SHORT, seed=1)
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    save_weights(tmp_path / "weights.safetensors", model, {})
    spec = TowerSpec(
        "t",
        str(tmp_path / "config.json"),
        str(tmp_path / "weights.safetensors"),
        112,
        "bilinear",
        "quickgelu",
    )
    pool = draw_pool(30, EVALUATION_VIEW, seed=8)
    images = pool.images.copy()
    images[:] = 128
    blank = type(pool)(images.copy(), pool.masks, pool.subjects)
    images[:, 1][pool.masks] = 0
    marked = type(pool)(images, pool.masks, pool.subjects)
    clip = load_clip(spec)
    assert probe(clip, marked, start=2)["patch_linear_vv"] > 0.9
    assert abs(probe(clip, blank, start=2)["image"] - 0.5) < 1e-6
