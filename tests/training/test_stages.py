"""What a method may say of its own training: groups, rates by step, stages, what it prepares, modes."""

# ruff: noqa: ARG002 - the arguments are those of the contract

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from pipeline.clip import Clip, Features, Global, Tap
from pipeline.errors import TrainingError, WeightsError
from pipeline.methods.base import (
    Batch,
    LearntMethod,
    LearntSettings,
    Losses,
    MethodSettings,
    Scores,
    Training,
)
from pipeline.training import FeatureCache, collect_features, fit
from tests.clip.towers import Tower

from .test_fit import auxiliary_set

HEAD = Global()


class Pace(Training):
    """Halved every four steps."""

    only: tuple[str, ...] = ("scale", "shift")
    epochs: int = 2
    batch: int = 3

    @property
    def rates(self) -> Mapping[str, float]:
        return {name: {"scale": 0.1, "shift": 0.01}[name] for name in self.only}

    def optimiser(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        return torch.optim.SGD(groups)

    def rate(self, lr: float, step: int, steps: int) -> float:
        assert steps == 6
        return lr * 0.5 ** (step // 4)


class StagedSettings(LearntSettings):
    first: Pace = Pace(only=("shift",))
    second: Pace = Pace()

    def training_on(self, auxiliary: str) -> tuple[Training, ...]:
        return (self.first, self.second)


class Staged(LearntMethod):
    """Loses one unit a unit of each parameter, so that a parameter counts what was done to it."""

    name: ClassVar[str] = "staged"
    title: ClassVar[str] = "Staged"
    Settings: ClassVar[type[MethodSettings]] = StagedSettings
    settings: StagedSettings

    def __init__(self, settings: StagedSettings, clip: Clip, prompts: Path | None = None) -> None:
        super().__init__(settings, clip, prompts)
        self.calls: list[Any] = []
        parts = {name: nn.Linear(1, 1, bias=False) for name in ("scale", "shift", "left_alone")}
        self._module = nn.ModuleDict({**parts, "dropout": nn.Dropout(0.5)})
        self._module.register_buffer("memory", torch.zeros(0, clip.embed_dim))

    @property
    def taps(self) -> frozenset[Tap]:
        return frozenset([HEAD])

    def reset(self, generator: torch.Generator) -> None:
        for parameter in self._module.parameters():
            parameter.data.zero_()

    def trainable(self) -> nn.Module:
        return self._module

    def prepare(self, batches: Iterable[Batch], stage: int) -> None:
        memory = torch.cat([batch.features[HEAD] for batch in batches])
        self._module.register_buffer("memory", memory)
        self.calls.append((stage, self._module.training))

    def score(self, features: Features, text: Any) -> Scores:
        raise NotImplementedError

    def loss(self, features: Features, labels: Tensor, masks: Tensor, class_names: Sequence[str]) -> Losses:
        parts = {name: value.sum() for name, value in self._module.named_parameters()}
        drawn = self._module["dropout"](torch.ones(64)).sum()
        self.calls.append({name: value.requires_grad for name, value in self._module.named_parameters()})
        return Losses(-torch.stack(list(parts.values())).sum(), {"drawn": drawn})


@pytest.fixture(scope="module")
def cache(tower: Tower) -> FeatureCache:
    return collect_features(tower.clip, auxiliary_set(tower.size), frozenset([HEAD]))


def staged(tower: Tower, **stages: Pace) -> Staged:
    return Staged(StagedSettings.model_validate(stages), tower.clip)


def test_each_stage_moves_its_groups_at_their_rates(tower: Tower, cache: FeatureCache) -> None:
    method = staged(tower)
    seen: list[tuple[int, int]] = []
    history = fit(method, cache, seed=1, progress=lambda *done: seen.append(done))
    state = method.state()
    steps = 4 + 0.5 * 2  # of unit gradients: four at the full rate, two at half of it
    assert state["shift.weight"].item() == pytest.approx(2 * steps * 0.01)
    assert state["scale.weight"].item() == pytest.approx(steps * 0.1)
    assert state["left_alone.weight"].item() == 0
    assert seen == [(done, 4) for done in range(1, 5)]
    assert len(history.epochs) == 4


def test_what_a_stage_does_not_tune_has_no_gradient_while_it_lasts(tower: Tower, cache: FeatureCache) -> None:
    method = staged(tower)
    fit(method, cache, seed=1)
    free = [{name for name, on in call.items() if on} for call in method.calls if isinstance(call, dict)]
    assert free == [{"shift.weight"}] * 6 + [{"scale.weight", "shift.weight"}] * 6
    assert all(parameter.requires_grad for parameter in method.trainable().parameters())


def test_the_whole_set_is_seen_before_each_stage_in_training_mode(tower: Tower, cache: FeatureCache) -> None:
    method = staged(tower)
    fit(method, cache, seed=1)
    assert [call for call in method.calls if isinstance(call, tuple)] == [(0, True), (1, True)]
    assert [type(call) for call in method.calls[:2]] == [tuple, dict]
    assert torch.equal(method.state()["memory"], cache.features[HEAD])
    assert not method.trainable().training


def test_what_layers_draw_follows_the_seed_and_leaves_the_global_generator(
    tower: Tower, cache: FeatureCache
) -> None:
    method = staged(tower)
    before = torch.random.get_rng_state()
    drawn = [fit(method, cache, seed=seed).epochs[0]["drawn"] for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_memory_comes_back_at_its_length(tower: Tower, cache: FeatureCache) -> None:
    method, other = staged(tower), staged(tower)
    fit(method, cache, seed=1)
    other.trainable().train()
    other.load_state(method.state())
    assert torch.equal(other.state()["memory"], cache.features[HEAD])
    assert not other.trainable().training
    with pytest.raises(WeightsError, match=r"memory is \(9, 5\)"):
        other.load_state({**method.state(), "memory": torch.zeros(9, 5)})


def test_a_rate_for_no_group_is_refused_by_name(tower: Tower, cache: FeatureCache) -> None:
    class Wrong(Pace):
        @property
        def rates(self) -> Mapping[str, float]:
            return {"scael": 0.1}

    with pytest.raises(TrainingError, match=r"staged: 'scael' is no group .* left_alone, scale, shift"):
        fit(staged(tower, first=Wrong()), cache, seed=1)


def test_nothing_is_left_frozen_when_a_stage_fails(tower: Tower, cache: FeatureCache) -> None:
    class Broken(Pace):
        def rate(self, lr: float, step: int, steps: int) -> float:
            raise ValueError("no rate")

    method = staged(tower, first=Broken(only=("shift",)))
    with pytest.raises(ValueError, match="no rate"):
        fit(method, cache, seed=1)
    assert all(parameter.requires_grad for parameter in method.trainable().parameters())
    assert not method.trainable().training
