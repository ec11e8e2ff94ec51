"""Eight faults of learning, planted one by one: does a committed number move?

    python -m benchmarks faults

AnomalyCLIP is tuned on one auxiliary set with one seed and evaluated on another, as it is and with each
fault. `benchmarks/learnt.yaml` keeps what it comes to; a test that CI runs does the sound training again and
holds every number to its tolerance. A fault is seen where one of them leaves it.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import torch
import yaml
from torch import Tensor

from benchmarks.common import facts, table, write_section
from benchmarks.learning import Miniature, committed_params, prepared
from pipeline.clip import Local
from pipeline.clip.text import Template, TextTower
from pipeline.files import write_text
from pipeline.methods import anomalyclip, losses
from pipeline.methods.base import LearntMethod
from pipeline.params import Params
from pipeline.training import FeatureCache

OUTCOME = Path(__file__).with_name("learnt.yaml")
AUXILIARY, TESTED, SEED = "mvtec", "visa", 111
RELATIVE, POINTS = 0.002, 0.5
"""What a loss may move by, as a share of it, and a mean in points. Other instructions of a processor (AVX2 in
place of AVX-512) move losses by 2e-5 of them and means by 0.01 points."""
_PATCH = 8  # pixels
_OURS = "anomalyclip"
_VARIANTS = {
    "slow": {"training": {"lr": 1e-4}},
    "half": {"training": {"epochs": 7}},
    "block7": {"layers": [7]},
}

Numbers = dict[str, float]
"""Losses of the last epoch by part, and means over the tested set by metric, in percent."""


@dataclass(frozen=True)
class Fault:
    """Something wrong with learning.

    Attributes:
        system: What is tuned; a variant where the fault is one of settings.
        change: What becomes of features, labels and masks.
        planted: Puts the fault into the code.
    """

    system: str = _OURS
    change: Callable[[FeatureCache], FeatureCache] = lambda cache: cache
    planted: Callable[[], AbstractContextManager[Any]] = field(default=nullcontext)


def _of(module: ModuleType, name: str) -> Callable[[], AbstractContextManager[Any]]:
    """Replaces a function that AnomalyCLIP's loss comes to call, in the module that calls it."""
    sound = getattr(module, name)
    wrong: Callable[..., Tensor] = {
        "focal": lambda maps, masks: -sound(maps, masks),
        "cross_entropy": lambda logits, labels: sound(logits, 1 - labels),
    }[name]
    return lambda: patch.object(module, name, wrong)


def _frozen() -> AbstractContextManager[Any]:
    """The deep tokens get no gradient."""
    sound = TextTower.encode_template

    def encode(tower: TextTower, template: Template, context: Tensor, deep: Sequence[Tensor]) -> Tensor:
        return sound(tower, template, context, [tokens.detach() for tokens in deep])

    return patch.object(TextTower, "encode_template", encode)


def _shuffled(cache: FeatureCache) -> FeatureCache:
    order = torch.randperm(len(cache), generator=torch.Generator().manual_seed(SEED))
    return replace(cache, labels=cache.labels[order])


def _wrong_block(cache: FeatureCache) -> FeatureCache:
    """Block 7 where block 8 is asked for."""
    earlier = {
        tap: cache.features[replace(tap, layer=7)]
        for tap in cache.features
        if isinstance(tap, Local) and tap.stream == "vv" and tap.layer == 8
    }
    return replace(cache, features=cache.features | earlier)


FAULTS = {
    "none": Fault(),
    "sign of the focal loss turned": Fault(planted=_of(losses, "focal")),
    "deep tokens frozen": Fault(planted=_frozen),
    "learning rate a tenth": Fault(f"{_OURS}[slow]"),
    "half of the epochs": Fault(f"{_OURS}[half]"),
    "masks shifted by a patch": Fault(change=lambda it: replace(it, masks=it.masks.roll(_PATCH, dims=2))),
    "normal and abnormal swapped in the global loss": Fault(planted=_of(anomalyclip, "cross_entropy")),
    "features of the block before": Fault(change=_wrong_block),
    "labels shuffled": Fault(change=_shuffled),
}


def params_of_faults() -> Params:
    """The committed params on two data sets, with the faults of settings as variants."""
    return committed_params({"datasets": [TESTED, AUXILIARY], "variants": {_OURS: _VARIANTS}})


def numbers(miniature: Miniature, fault: Fault) -> Numbers:
    """What the training comes to under a fault."""
    method = miniature.built(fault.system)
    if not isinstance(method, LearntMethod):
        raise TypeError(fault.system)
    with fault.planted():
        history = miniature.tune(method, AUXILIARY, SEED, fault.change)
    by_part = {f"{part} loss": value for part, value in history.epochs[-1].items()}
    return by_part | miniature.scored(method, TESTED)


def moved(sound: Mapping[str, float], found: Mapping[str, float]) -> list[str]:
    """Which numbers left their tolerance, or are gone, as PRO where a map is flat."""
    return [name for name, value in sound.items() if _left(value, found.get(name), name.endswith("loss"))]


def _left(value: float, found: float | None, loss: bool) -> bool:
    return found is None or abs(found - value) > (RELATIVE * abs(value) if loss else POINTS)


def options(_parser: argparse.ArgumentParser) -> None:
    """Nothing may be chosen."""


def run(_arguments: argparse.Namespace) -> None:
    """Plant every fault, write the outcome and the section."""
    torch.set_num_threads(1)
    params = params_of_faults()
    with prepared(params):
        miniature = Miniature(params)
        found = {name: numbers(miniature, fault) for name, fault in FAULTS.items()}
    write_text(OUTCOME, yaml.safe_dump(found, sort_keys=False))
    sound = found["none"]
    rows = [
        [name, *(_printed(key, each.get(key)) for key in sound), ", ".join(moved(sound, each)) or "nothing"]
        for name, each in found.items()
    ]
    words = (
        f"AnomalyCLIP tuned on {AUXILIARY}, evaluated on {TESTED}, seed {SEED}. A loss is seen to move from"
        f" {RELATIVE:.1%} on, a mean from {POINTS:g} points. {facts()}"
    )
    head = ["fault", *sound, "what left its tolerance"]
    write_section("faults", "Faults of learning", f"{words}\n\n{table(head, rows)}")


def _printed(name: str, value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}" if name.endswith("loss") else f"{value:.1f}"
