"""What runs when `params.yaml` says nothing: the settings of the paper and of the public codes."""

from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from pipeline import methods
from pipeline.methods.base import LearntMethod, LearntSettings, Training
from tests.clip.towers import make_tower

MAP = {"layers": (24,), "temperature": 0.07, "sigma": 4.0}
SETTINGS: dict[str, dict[str, Any]] = {
    "clip": {"tower": "main", **MAP},
    "clip_ac": {"tower": "main", **MAP},
    "winclip": {"tower": "winclip", "windows": (2, 3), "temperature": 0.07},
    "vand": {"tower": "vand", "layers": (6, 12, 18, 24), "temperature": 0.01},
    "coop": {"tower": "main", "n_ctx": 16, **MAP},
    "anomalyclip": {
        "tower": "main",
        "n_ctx": 12,
        "deep_tokens": 4,
        "deep_layers": 8,
        "shared_context": False,
        "attention": ("vv",),
        "dpam_start": 6,
        "global_weight": 1.0,
        "local_weight": 4.0,
        "focal_weight": 1.0,
        "dice_weight": 1.0,
        **MAP,
    },
}


@pytest.mark.parametrize("name", SETTINGS)
def test_defaults(name: str) -> None:
    settings = methods.get(name).parse({}).model_dump()
    assert {key: settings[key] for key in SETTINGS[name]} == SETTINGS[name]


def training(name: str, auxiliary: str) -> Training:
    settings = methods.get(name).parse({})
    assert isinstance(settings, LearntSettings)
    (only,) = settings.training_on(auxiliary)
    return only


@pytest.mark.parametrize(
    ("name", "auxiliary", "epochs", "batch", "mosaic"),
    [
        ("anomalyclip", "mvtec", 15, 8, 0.0),
        ("anomalyclip", "visa", 15, 8, 0.0),
        ("vand", "mvtec", 3, 8, 0.2),
        ("vand", "visa", 15, 8, 0.0),
        ("coop", "mvtec", 50, 32, 0.0),
    ],
)
def test_training(name: str, auxiliary: str, epochs: int, batch: int, mosaic: float) -> None:
    chosen = training(name, auxiliary)
    assert (chosen.epochs, chosen.batch, chosen.mosaic) == (epochs, batch, mosaic)


def options(name: str, auxiliary: str) -> tuple[type, dict[str, Any]]:
    """Class and options of the optimiser."""
    chosen = training(name, auxiliary)
    made = chosen.optimiser([{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": chosen.lr}])
    return type(made), made.param_groups[0]


@pytest.mark.parametrize(
    ("name", "auxiliary"), [("anomalyclip", "visa"), ("vand", "visa"), ("vand", "mvtec")]
)
def test_adam_at_a_constant_rate(name: str, auxiliary: str) -> None:
    kind, group = options(name, auxiliary)
    wanted = {"lr": 1e-3, "betas": (0.5, 0.999), "eps": 1e-8, "weight_decay": 0, "amsgrad": False}
    assert kind is torch.optim.Adam
    assert {key: group[key] for key in wanted} == wanted
    chosen = training(name, auxiliary)
    assert chosen.rates == {}
    assert {chosen.rate(chosen.lr, step, 40) for step in range(40)} == {1e-3}


def test_coops_descent() -> None:
    kind, group = options("coop", "visa")
    wanted = {"lr": 2e-3, "momentum": 0.9, "weight_decay": 5e-4, "nesterov": False, "dampening": 0}
    assert kind is torch.optim.SGD
    assert {key: group[key] for key in wanted} == wanted


WIDE: dict[str, dict[str, Any]] = {  # enough values for their spread to be known to a few percent
    "anomalyclip": {"layers": [6], "dpam_start": 3, "n_ctx": 60, "deep_layers": 5, "deep_tokens": 60},
    "coop": {"layers": [6], "n_ctx": 60},
}


@pytest.mark.parametrize("name", WIDE)
def test_learnt_vectors_start_near_zero(tmp_path: Path, name: str) -> None:
    """N(0, 0.02²), every tensor of them."""
    method = methods.build(name, WIDE[name], make_tower(tmp_path).clip)
    assert isinstance(method, LearntMethod)
    for tensor in method.state().values():
        assert tensor.std().item() == pytest.approx(0.02, rel=0.08)
        assert abs(tensor.mean().item()) < 0.002


def test_vands_layers_start_uniformly(tmp_path: Path) -> None:
    """U(−1/√width, 1/√width) for weights and biases, as torch's linear layers."""
    tower = make_tower(tmp_path)
    method = methods.build("vand", {"layers": [6]}, tower.clip)
    assert isinstance(method, LearntMethod)
    bound = tower.shape.width**-0.5
    for tensor in method.state().values():
        assert 0.85 * bound < tensor.abs().max().item() <= bound
        assert tensor.mean().abs().item() < 0.25 * bound


TOWERS = {
    "main": ("ViT-L-14-336", "openai", 518, "bilinear", "quickgelu"),
    "vand": ("ViT-L-14-336", "openai", 518, "bicubic", "gelu"),
    "winclip": ("ViT-B-16-plus-240", "laion400m_e31", 240, "native", "gelu"),
}


def test_towers_of_the_paper() -> None:
    """QuickGELU weights under exact GELU for VAND; epoch 31, not 32, for WinCLIP; all in float32."""
    profile = yaml.safe_load((files("pipeline") / "conf/profile/paper.yaml").read_text("utf-8"))
    keys = ("model", "weights", "image_size", "position", "activation")
    found = {name: tuple(tower[key] for key in keys) for name, tower in profile["towers"].items()}
    assert found == TOWERS
    assert {tower["precision"] for tower in profile["towers"].values()} == {"float32"}
    assert profile["methods"] == {name: {} for name in SETTINGS}
