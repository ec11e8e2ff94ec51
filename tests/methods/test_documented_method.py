"""The learnt method of the page on methods, followed to the letter: one file, a norm, rates, a `prepare`."""

import sys
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
import torch

from pipeline import methods
from pipeline.conformance import METHOD_CHECKS, build_method
from pipeline.methods.base import LearntMethod
from pipeline.training import collect_features, fit
from tests.clip.towers import Tower
from tests.docs.blocks import blocks
from tests.project import ROOT
from tests.training.test_fit import auxiliary_set

PAGE = ROOT / "docs" / "how-to" / "method.md"
NAME = "near_normal"


@pytest.fixture
def added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page's file among the methods of the package, as far as this process can see."""
    (block,) = [
        it for it in blocks(PAGE, PAGE.read_text()) if it.attributes.get("file", "").endswith(f"{NAME}.py")
    ]
    path = tmp_path / f"{NAME}.py"
    path.write_text(f"{block.text}\n")
    spec = spec_from_file_location(f"pipeline.methods.{NAME}", path)
    assert isinstance(spec, ModuleSpec)
    assert spec.loader is not None
    module = module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    inside = methods._inside()
    monkeypatch.setattr(methods, "_inside", lambda: inside | {NAME})


def test_it_passes_the_suite(added: None) -> None:
    for check in METHOD_CHECKS:
        check(build_method(NAME))


def test_its_norm_learns_at_its_own_rate_and_its_memory_is_kept(added: None, tower: Tower) -> None:
    slow = {"training": {"epochs": 3, "norm_lr": 1e-6, "lr": 1e-2}}
    method = methods.build(NAME, {"layer": 4} | slow, tower.clip)
    assert isinstance(method, LearntMethod)
    cache = collect_features(tower.clip, auxiliary_set(tower.size), method.loss_taps)
    before = method.state()
    history = fit(method, cache, seed=0)
    moved = {name: (value - before[name]).abs().max().item() for name, value in method.state().items()}
    assert 0 < moved["norm.weight"] < 1e-4 < moved["decision.weight"]
    (tap,) = method.taps
    normal = cache.features[tap][cache.labels == 0].flatten(0, 1).mean(0)
    torch.testing.assert_close(method.state()["normal"], normal)
    assert history.epochs[-1]["total"] < history.epochs[0]["total"]
