"""Tuning: against a loop through the tower, under seeds, and at the edges."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.standin import META, Watch
from pipeline import methods
from pipeline.clip import Clip, Global, Tap, load_clip
from pipeline.errors import DataError, TrainingError
from pipeline.methods.auxiliary import draw_mosaic
from pipeline.methods.base import Batch, LearntMethod, Training
from pipeline.training import AuxiliarySet, FeatureCache, History, collect_features, fit
from pipeline.training.fit import _batch
from tests.clip.reference import close
from tests.clip.towers import Tower, random_images

SETTINGS: dict[str, dict[str, Any]] = {
    "anomalyclip": {"layers": [6], "dpam_start": 3, "deep_layers": 4, "training": {"epochs": 2}},
    "coop": {"layers": [6], "training": {"epochs": 3, "batch": 4}},
    "vand": {"layers": [3, 6], "training": {"epochs": 2}},
    "af_clip": {"layers": [3, 6], "training": {"epochs": 2}},
    "faprompt": {
        "layer": 6,
        "dpam_start": 3,
        "abnormal_prompts": 2,
        "deep_layers": 4,
        "training": {"epochs": 2},
    },
    "glocalclip": {"layers": [6], "dpam_start": 3, "deep_layers": 4, "training": {"epochs": 2}},
    "uniadet": {"layers": [3, 6], "training": {"epochs": 2, "lr": 1e-4, "augment": 0}},
}


def auxiliary_set(size: int, count: int = 9, name: str = "visa") -> AuxiliarySet:
    images = random_images(count, size).numpy()
    masks = np.zeros((count, size, size), dtype=np.uint8)
    masks[count // 2 :, 5:25, 10:40] = 255
    labels = np.arange(count) >= count // 2
    return AuxiliarySet(
        name, images, masks, labels.astype(np.int8), [["screw", "tile"][row % 2] for row in range(count)]
    )


def built(tower: Tower, name: str, **changes: Any) -> LearntMethod:
    method = methods.build(name, SETTINGS[name] | changes, tower.clip)
    assert isinstance(method, LearntMethod)
    return method


def cached(tower: Tower, method: LearntMethod, count: int = 9) -> FeatureCache:
    return collect_features(tower.clip, auxiliary_set(tower.size, count), method.taps)


@pytest.mark.parametrize("name", SETTINGS)
def test_cached_features_train_as_a_loop_through_the_tower(tower: Tower, name: str) -> None:
    method, auxiliary = built(tower, name), auxiliary_set(tower.size)
    fit(method, cached(tower, method), seed=3)
    other = built(tower, name)
    (training,) = other.settings.training_on("visa")
    generator = torch.Generator().manual_seed(3)
    other.reset(generator)
    optimiser = training.optimiser([{"params": list(other.trainable().parameters()), "lr": training.lr}])
    each = -(-9 // training.batch)
    for epoch in range(training.epochs):
        optimiser.param_groups[0]["lr"] = training.rate(training.lr, epoch * each, training.epochs * each)
        order = torch.randperm(9, generator=generator)
        for start in range(0, 9, training.batch):
            rows = order[start : start + training.batch]
            features = tower.clip.encode_image(torch.from_numpy(auxiliary.images)[rows], other.taps)
            masks, labels = (
                torch.from_numpy(auxiliary.masks)[rows] > 0,
                torch.from_numpy(auxiliary.labels)[rows].long(),
            )
            names = [auxiliary.class_names[row] for row in rows]
            optimiser.zero_grad()
            torch.autograd.backward(other.loss(features, labels, masks, names).total)
            optimiser.step()
    for key, value in method.state().items():
        close(value, other.state()[key], 1e-4)


@pytest.mark.parametrize("name", SETTINGS)
def test_same_seed_same_bits_and_global_generators_untouched(tower: Tower, name: str) -> None:
    method = built(tower, name)
    cache = cached(tower, method)
    before = torch.random.get_rng_state()
    states, histories = [], []
    for seed in (1, 1, 2):
        histories.append(fit(method, cache, seed=seed))
        states.append(method.state())
    assert torch.equal(before, torch.random.get_rng_state())
    assert histories[0] == histories[1]
    for key, value in states[0].items():
        assert torch.equal(value, states[1][key])
        assert not torch.equal(value, states[2][key])
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize("name", SETTINGS)
def test_a_last_batch_of_one_image_works(tower: Tower, name: str) -> None:
    method = built(tower, name, training={"epochs": 2, "batch": 4})
    history = fit(method, cached(tower, method, 5), seed=0)
    assert len(history.epochs) == 2
    assert all(np.isfinite(list(epoch.values())).all() for epoch in history.epochs)


def test_the_loss_falls(tower: Tower) -> None:
    method = built(tower, "anomalyclip", training={"epochs": 12, "lr": 0.01})
    calls: list[tuple[int, int]] = []
    history = fit(
        method,
        cached(tower, method),
        seed=0,
        progress=lambda done, total: calls.append((done, total)),
    )
    totals = [epoch["total"] for epoch in history.epochs]
    assert totals[-1] < 0.8 * totals[0]
    assert calls == [(epoch, 12) for epoch in range(1, 13)]
    last = history.epochs[-1]
    local = last["focal"] + last["dice_abnormal"] + last["dice_normal"]
    assert last["total"] == pytest.approx(last["global"] + 4 * local, rel=1e-5)


@pytest.mark.parametrize("changes", [{"n_ctx": 0, "deep_layers": 0}, {"training": {"epochs": 0}}])
def test_nothing_to_tune_leaves_the_initial_parameters(tower: Tower, changes: dict[str, Any]) -> None:
    method = built(tower, "anomalyclip", **changes)
    assert fit(method, cached(tower, method), seed=6) == History(())
    state = method.state()
    method.reset(torch.Generator().manual_seed(6))
    for key, value in method.state().items():
        assert torch.equal(value, state[key])


def test_losses_of_weight_zero_tune_nothing(tower: Tower) -> None:
    method = built(tower, "anomalyclip", global_weight=0, local_weight=0)
    fit(method, cached(tower, method), seed=6)
    state = method.state()
    method.reset(torch.Generator().manual_seed(6))
    assert all(torch.equal(value, state[key]) for key, value in method.state().items())


def test_a_loss_that_is_not_finite_is_refused(tower: Tower) -> None:
    method = built(tower, "anomalyclip")
    cache = cached(tower, method)
    for features in cache.features.values():
        features.fill_(float("nan"))
    with pytest.raises(TrainingError, match="the loss of epoch 1 is not finite"):
        fit(method, cache, seed=6)


def test_training_works_inside_inference_mode(tower: Tower) -> None:
    """Workers score under inference mode; features cached there must not break a fit outside."""
    method = built(tower, "anomalyclip")
    expected = built(tower, "anomalyclip")
    cache = cached(tower, method)
    with torch.no_grad():
        fit(method, cache, seed=1)
    fit(expected, cache, seed=1)
    assert all(torch.equal(value, expected.state()[key]) for key, value in method.state().items())


def test_memory_mapped_features_equal_those_in_memory(tower: Tower, tmp_path: Path) -> None:
    method = built(tower, "anomalyclip")
    auxiliary, seen = auxiliary_set(tower.size), []
    mapped = collect_features(
        tower.clip,
        auxiliary,
        method.taps,
        batch=4,
        folder=tmp_path,
        memory=0,
        progress=lambda *done: seen.append(done),
    )
    memory = collect_features(tower.clip, auxiliary, method.taps, batch=4)
    assert seen == [(4, 9), (8, 9), (9, 9)]
    assert len(list(tmp_path.iterdir())) == len(method.taps)
    for tap, value in memory.features.items():
        assert torch.equal(value, mapped.features[tap])


def test_features_within_the_budget_leave_no_file(tower: Tower, tmp_path: Path) -> None:
    method, auxiliary = built(tower, "anomalyclip"), auxiliary_set(tower.size)
    kept = collect_features(tower.clip, auxiliary, method.taps, folder=tmp_path)
    size = sum(value.nbytes for value in kept.features.values())
    collect_features(tower.clip, auxiliary, method.taps, folder=tmp_path, memory=size)
    assert not list(tmp_path.iterdir())
    collect_features(tower.clip, auxiliary, method.taps, folder=tmp_path, memory=size - 1)
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) == size


def test_a_full_disk_is_named_before_the_first_pass_is_kept(
    tower: Tower, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    method = built(tower, "anomalyclip")
    monkeypatch.setattr("shutil.disk_usage", lambda _folder: SimpleNamespace(free=1000))
    with pytest.raises(DataError, match="do not fit on this disk"):
        collect_features(tower.clip, auxiliary_set(tower.size), method.taps, folder=tmp_path, memory=0)


def test_a_batch_carries_only_the_taps_asked_for(tower: Tower) -> None:
    method, other = built(tower, "anomalyclip"), built(tower, "vand")
    cache = collect_features(tower.clip, auxiliary_set(tower.size), method.taps | other.taps)
    batch = cache.batch(torch.tensor([7, 0]), method.taps)
    assert batch.features.keys() == method.taps
    assert batch.labels.tolist() == [1, 0]
    assert batch.class_names == ["tile", "screw"]
    assert batch.masks.dtype == torch.bool
    assert batch.masks.flatten(1).any(1).tolist() == [True, False]


@pytest.mark.parametrize("name", SETTINGS)
def test_a_step_moves_what_its_loss_reads_and_nothing_else(
    tower: Tower, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    method = built(tower, name)
    cache = collect_features(tower.clip, auxiliary_set(tower.size), method.taps)
    moved: list[frozenset[Tap]] = []
    gather = FeatureCache.batch

    def noted(self: FeatureCache, rows: torch.Tensor, taps: Any) -> Batch:
        moved.append(frozenset(taps))
        return gather(self, rows, taps)

    monkeypatch.setattr(FeatureCache, "batch", noted)
    losses = fit(method, cache, seed=1)
    state = method.state()
    heads = frozenset(tap for tap in method.taps if isinstance(tap, Global))
    wanted = {"coop": heads, "vand": method.taps - heads}.get(name, method.taps)
    assert set(moved) == {wanted}
    least = collect_features(tower.clip, auxiliary_set(tower.size), method.loss_taps)
    assert least.features.keys() == wanted
    assert fit(method, least, seed=1) == losses
    for key, value in method.state().items():
        assert torch.equal(value, state[key])


@pytest.fixture(scope="module")
def far_clip(tower: Tower) -> Clip:
    """The tower on a device that computes nothing."""
    with Watch():
        return load_clip(tower.clip.spec, device="meta", state_dict=tower.state)


@pytest.mark.parametrize("home", ["cpu", "meta"])
@pytest.mark.parametrize("name", SETTINGS)
def test_an_epoch_on_a_device_waits_once_at_its_end(
    tower: Tower, far_clip: Clip, name: str, home: str
) -> None:
    once = {"training": {"epochs": 1, "batch": 2}}
    three_steps = auxiliary_set(tower.size, count=6)
    real = collect_features(tower.clip, three_steps, built(tower, name).loss_taps)
    cache = FeatureCache(
        {tap: values.to(home) for tap, values in real.features.items()},
        real.labels.to(home),
        real.masks.to(home),
        real.auxiliary,
        META,
    )
    waits = []
    for _ in range(2):  # the first epoch of a process uploads what stays
        method = methods.build(name, SETTINGS[name] | once, far_clip)
        assert isinstance(method, LearntMethod)
        with Watch() as begun:
            method.reset(torch.Generator().manual_seed(1))
        with Watch() as watch:
            fit(method, cache, seed=1)
        waits.append(watch.waits - begun.waits)
    assert waits[1] == 1


def test_unequal_parts_are_refused() -> None:
    parts = auxiliary_set(20)
    with pytest.raises(DataError, match="auxiliary set visa"):
        AuxiliarySet("visa", parts.images, parts.masks, parts.labels, ["screw"])
    with pytest.raises(DataError, match="auxiliary set visa"):
        AuxiliarySet("visa", parts.images[:0], parts.masks[:0], parts.labels[:0], [])


def test_vand_trains_on_mvtec_for_three_epochs_with_mosaics(tower: Tower) -> None:
    method = built(tower, "vand")
    on = {name: method.settings.training_on(name) for name in ("mvtec", "visa")}
    assert [(stage.epochs, stage.mosaic) for stage in on["mvtec"]] == [(3, 0.2)]
    assert [(stage.epochs, stage.mosaic) for stage in on["visa"]] == [(2, 0.0)]
    auxiliary = auxiliary_set(tower.size, name="mvtec")
    cache = collect_features(tower.clip, auxiliary, method.taps)
    with_mosaics = fit(method, cache, seed=2)
    assert len(with_mosaics.epochs) == 3
    assert fit(method, cache, seed=2) == with_mosaics
    plain = built(tower, "vand", training_by_auxiliary={}, training={"epochs": 3})
    assert fit(plain, cache, seed=2) != with_mosaics


def redrawn(method: LearntMethod, auxiliary: AuxiliarySet, share: float) -> tuple[Batch, Batch]:
    """The whole set as a batch, and the same with mosaics."""
    cache = collect_features(method.clip, auxiliary, method.taps)
    rows = torch.arange(len(auxiliary))
    made = _batch(method, Training(mosaic=share), cache, rows, torch.Generator().manual_seed(0))
    return cache.batch(rows, method.loss_taps), made


def test_a_batch_of_mosaics_has_their_features_masks_and_labels(tower: Tower) -> None:
    auxiliary = auxiliary_set(tower.size)
    batch, made = redrawn(built(tower, "vand"), auxiliary, 1.0)
    assert made.class_names == batch.class_names
    for tap, value in batch.features.items():
        assert made.features[tap].shape == value.shape
        assert not torch.equal(made.features[tap], value)
    assert torch.equal(made.labels == 1, made.masks.flatten(1).any(1))
    batch, same = redrawn(built(tower, "vand"), auxiliary, 0.0)
    assert all(torch.equal(value, same.features[tap]) for tap, value in batch.features.items())


def plain_set(levels: list[int], class_names: list[str], size: int) -> AuxiliarySet:
    """Images of one grey level each; the mask is full where the level is odd."""
    grey = np.array(levels, np.uint8)[:, None, None]
    images = np.broadcast_to(grey[..., None], (len(levels), size, size, 3))
    masks = np.broadcast_to(grey % 2, (len(levels), size, size))
    return AuxiliarySet("mvtec", images, masks, np.array(levels) % 2, class_names)


def test_mosaics_stay_within_the_class(tower: Tower) -> None:
    auxiliary = plain_set([0, 0, 255, 255, 255], ["dark"] * 2 + ["bright"] * 3, tower.size)
    batch, made = redrawn(built(tower, "vand"), auxiliary, 1.0)
    assert made.labels.tolist() == [0, 0, 1, 1, 1]
    for tap, value in batch.features.items():
        close(made.features[tap], value.double())


def test_a_mosaic_holds_its_images_row_by_row() -> None:
    levels = [10, 21, 30, 41, 50, 61]
    auxiliary = plain_set(levels, ["cup"] * 6, 48)
    image, mask = draw_mosaic(auxiliary, auxiliary.members("cup"), torch.Generator().manual_seed(0))
    drawn = torch.randint(6, (4,), generator=torch.Generator().manual_seed(0)).tolist()
    assert len(set(drawn)) == 4
    places = [(12, 12), (12, 36), (36, 12), (36, 36)]
    assert [int(image[place][0]) for place in places] == [levels[row] for row in drawn]
    assert [int(mask[place]) for place in places] == [levels[row] % 2 for row in drawn]


def test_a_mosaic_of_one_image_is_that_image_four_times() -> None:
    size = 48
    parts = auxiliary_set(size, 3)
    auxiliary = AuxiliarySet("mvtec", parts.images[2:], parts.masks[2:], parts.labels[2:], ["only"])
    _, mask = draw_mosaic(auxiliary, auxiliary.members("only"), torch.Generator().manual_seed(0))
    assert mask.mean() == pytest.approx((parts.masks[2] > 0).mean(), rel=0.1)
    half = size // 2
    assert np.array_equal(mask[:half, :half], mask[-half:, -half:])


def test_coops_schedule() -> None:
    training = methods.get("coop").parse({"training": {"epochs": 10}}).training  # type: ignore[attr-defined]
    rates = [training.rate(2e-3, step, 70) for step in range(70)]  # 7 steps an epoch
    assert all(len(set(rates[start : start + 7])) == 1 for start in range(0, 70, 7))
    rates = rates[::7]
    assert rates[0] == 1e-5
    assert rates[1] == 2e-3
    assert rates[6] == pytest.approx(1e-3)
    assert rates[1:] == sorted(rates[1:], reverse=True)
