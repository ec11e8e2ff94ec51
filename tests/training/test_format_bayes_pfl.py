"""Bayes-PFL's official checkpoint, written key by key as its public code names it: in, out, refused."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from pipeline import methods
from pipeline.errors import WeightsError
from pipeline.methods.base import LearntMethod
from pipeline.training.interchange import export_official, read_official
from tests.clip.towers import Tower, make_tower

from .official import DEEP, write

D, W, HIDDEN, WIDTH = 24, 32, 8, 16  # of the joint space, text tower, encoders, image tower
BANK, FLOWS, LAYERS = (2, 3, 4), 5, 4
KEPT = {
    "prompt_context": "bank.context",
    "temperature_pixel": "temperature.pixel",
    "temperature_image": "temperature.image",
    "class_mapping.weight": "image.text_map.weight",
    "image_mapping.bias": "image.image_map.bias",
    "fuse.fuse_modules.weight": "image.pooling.mix.weight",
    "fuse.compress.bias": "image.pooling.weight.bias",
    "fuse.post_process.weight": "image.pooling.out.weight",
    "RCA.linear_proj.2.weight": "attention.project.2.weight",
    "RCA.q_proj_pre.bias": "attention.query.bias",
    "context_encoder.weight_mean.module.2.bias": "encoders.context.mean.2.bias",
    "state_encoder.weight_log_variance.module.4.weight": "encoders.state.variance.4.weight",
    "PFL_context.amor_w.weight": "flows.context.w.weight",
    "PFL_normal.state": "flows.normal.constant",
}
"""Some of the names that differ by no shape."""


@pytest.fixture(scope="module")
def tower(tmp_path_factory: pytest.TempPathFactory) -> Tower:
    return make_tower(tmp_path_factory.mktemp("tower"), shape=DEEP, position="bicubic", activation="gelu")


class Official(dict[str, Tensor]):
    """The state dict of a trained model, filled name by name."""

    def __init__(self) -> None:
        super().__init__()
        self._generator = torch.Generator().manual_seed(3)
        self._bank()
        for side in ("context", "state"):
            self._mlp(f"{side}_encoder.weight_mean", W)
            self._mlp(f"{side}_encoder.weight_log_variance", W)
            self._mlp(f"{side}_decoder.weight_mean", D)
        self._flows()
        self._heads()

    def _add(self, name: str, *shape: int) -> None:
        self[name] = torch.randn(shape, generator=self._generator)

    def _linear(self, name: str, inputs: int, outputs: int) -> None:
        self._add(f"{name}.weight", outputs, inputs)
        self._add(f"{name}.bias", outputs)

    def _mlp(self, name: str, outputs: int) -> None:
        for place, sides in zip((0, 2, 4), ((D, HIDDEN), (HIDDEN, HIDDEN), (HIDDEN, outputs)), strict=True):
            self._linear(f"{name}.module.{place}", *sides)

    def _bank(self) -> None:
        count, n_ctx, n_state = BANK
        self._add("prompt_context", count, n_ctx, W)
        self._add("prompt_state_normal", count, n_state, W)
        self._add("prompt_state_abnormal", count, n_state, W)
        self._add("temperature_pixel")
        self._add("temperature_image")

    def _flows(self) -> None:
        for name, outputs in (("u", FLOWS * W), ("w", FLOWS * W), ("b", FLOWS)):
            self._linear(f"PFL_context.amor_{name}", D, outputs)
        for side in ("normal", "abnormal"):
            self._add(f"PFL_{side}.amor_u", 1, FLOWS, W, 1)
            self._add(f"PFL_{side}.amor_w", 1, FLOWS, 1, W)
            self._add(f"PFL_{side}.amor_b", 1, FLOWS, 1, 1)
            self._add(f"PFL_{side}.state", 1, D)
        for user, side in (("context", "context"), ("normal", "state"), ("abnormal", "state")):
            for part in ("encoder", "decoder"):
                for name in [it for it in self if it.startswith(f"{side}_{part}.")]:
                    self[f"PFL_{user}.{name.replace(f'{side}_', '', 1)}"] = self[name]
            self._linear(f"PFL_{user}.p_mu.0", D, D)

    def _heads(self) -> None:
        self._linear("fuse.fuse_modules", LAYERS * WIDTH, HIDDEN)
        self._linear("fuse.compress", HIDDEN, 1)
        self._linear("fuse.post_process", HIDDEN, D)
        self._add("RCA.q_proj_pre.weight", D, D, 1)
        self._add("RCA.q_proj_pre.bias", D)
        for number in range(LAYERS):
            self._add(f"RCA.linear_proj.{number}.weight", D, WIDTH)
        self._linear("class_mapping", D, D)
        self._linear("image_mapping", D, D)


def checkpoint() -> dict[str, Tensor]:
    return dict(Official())


def imported(tower: Tower, path: Path) -> LearntMethod:
    return read_official(path).build(tower.clip, {})


def test_it_comes_in_under_our_names(tower: Tower, tmp_path: Path) -> None:
    theirs = checkpoint()
    method = imported(tower, write(tmp_path / "train_visa.pth", "MyModel", theirs))
    settings = method.settings.model_dump()
    wanted = {"layers": (6, 12, 18, 24), "prompts": 2, "n_ctx": 3, "n_state": 4, "flows": 5, "samples": 10}
    assert {key: settings[key] for key in wanted} == wanted
    ours = method.state()
    for name, own in KEPT.items():
        assert torch.equal(ours[own], theirs[name]), name
    for side, name in enumerate(("normal", "abnormal")):
        assert torch.equal(ours["bank.state"][side], theirs[f"prompt_state_{name}"])
        assert torch.equal(ours[f"flows.{name}.u"], theirs[f"PFL_{name}.amor_u"][..., 0])
        assert torch.equal(ours[f"flows.{name}.w"], theirs[f"PFL_{name}.amor_w"][:, :, 0])
        assert torch.equal(ours[f"flows.{name}.b"], theirs[f"PFL_{name}.amor_b"][..., 0, 0])
    assert torch.equal(ours["attention.query.weight"], theirs["RCA.q_proj_pre.weight"][..., 0])
    assert ours["seed"] == 0


def test_it_comes_out_as_it_went_in_but_for_the_decoders(tower: Tower, tmp_path: Path) -> None:
    before = checkpoint()
    export_official(
        tmp_path / "out.pth", imported(tower, write(tmp_path / "train_visa.pth", "MyModel", before))
    )
    after = torch.load(tmp_path / "out.pth", weights_only=True)["MyModel"]
    assert after.keys() == before.keys()
    for name, value in before.items():
        assert after[name].shape == value.shape, name
        unused = "decoder" in name or "p_mu" in name
        assert not after[name].any() if unused else torch.equal(after[name], value), name


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"prompt_context": None}, r"prompt_context is \(\), prompt_state_normal"),
        ({"PFL_normal.state": torch.zeros(1, 3)}, r"PFL_normal\.state is \(1, 3\), expected \(1, 24\)"),
        ({"PFL_normal.state": None}, r"PFL_normal\.state is missing"),
        ({"more": torch.ones(2)}, r"more is \(2,\), expected no such tensor"),
        (
            {f"RCA.linear_proj.{number}.weight": None for number in range(4)},
            r".* 0 layers in RCA\.linear_proj",
        ),
    ],
)
def test_other_names_and_shapes_are_refused(
    tower: Tower, tmp_path: Path, change: dict[str, Tensor | None], message: str
) -> None:
    changed = {**checkpoint(), **change}
    state = {name: value for name, value in changed.items() if value is not None}
    with pytest.raises(WeightsError, match=rf"a\.pth: {message}"):
        imported(tower, write(tmp_path / "a.pth", "MyModel", state))


def test_another_method_has_no_place_in_it(tower: Tower) -> None:
    from pipeline.training.format_bayes_pfl import BayesPflFormat

    method = methods.build("coop", {}, tower.clip)
    assert isinstance(method, LearntMethod)
    with pytest.raises(WeightsError, match="coop has no place in a Bayes-PFL checkpoint"):
        BayesPflFormat().official(method)
