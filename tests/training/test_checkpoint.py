"""Checkpoints: same bytes, same scores, and a reason for each file that cannot be used."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from pipeline import methods
from pipeline.errors import WeightsError
from pipeline.methods.base import LearntMethod
from pipeline.training import collect_features, fit, load_checkpoint, read_checkpoint, save_checkpoint
from tests.clip.towers import Tower, random_images

from .test_fit import SETTINGS, auxiliary_set

PROVENANCE = {"auxiliary": "visa", "seed": 3, "weights": "abc"}


def trained(tower: Tower, name: str) -> LearntMethod:
    method = fresh(tower, name)
    auxiliary = auxiliary_set(tower.size)
    fit(method, collect_features(tower.clip, auxiliary, method.taps), seed=3)
    return method


def fresh(tower: Tower, name: str) -> LearntMethod:
    method = methods.build(name, SETTINGS[name], tower.clip)
    assert isinstance(method, LearntMethod)
    return method


@pytest.mark.parametrize("name", SETTINGS)
def test_a_loaded_checkpoint_scores_as_right_after_training(tower: Tower, tmp_path: Path, name: str) -> None:
    method, loaded = trained(tower, name), fresh(tower, name)
    path = tmp_path / "weights" / "a.safetensors"
    save_checkpoint(path, method, PROVENANCE)
    assert load_checkpoint(path, loaded) == PROVENANCE
    features = tower.clip.encode_image(random_images(2, tower.size, seed=8), method.taps)
    before, after = (one.score(features, one.text_features("screw")) for one in (method, loaded))
    assert torch.equal(before.image, after.image)
    assert torch.equal(before.maps, after.maps)


def test_bytes_do_not_change_from_run_to_run(tower: Tower, tmp_path: Path) -> None:
    for name in ("one", "two"):
        items = list(PROVENANCE.items())
        save_checkpoint(
            tmp_path / name, trained(tower, "anomalyclip"), dict(items if name == "one" else items[::-1])
        )
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_the_header_says_where_it_comes_from(tower: Tower, tmp_path: Path) -> None:
    method = fresh(tower, "coop")
    save_checkpoint(tmp_path / "a.safetensors", method, PROVENANCE)
    tensors, header = read_checkpoint(tmp_path / "a.safetensors")
    assert tensors.keys() == load_file(tmp_path / "a.safetensors").keys() == {"context"}
    assert header == {
        "format": 2,
        "method": "coop",
        "settings": json.loads(method.settings.model_dump_json()),
        "provenance": PROVENANCE,
    }


def test_a_method_without_parameters_has_an_empty_checkpoint(tower: Tower, tmp_path: Path) -> None:
    base = methods.build(
        "anomalyclip", {"layers": [6], "attention": "qk", "n_ctx": 0, "deep_layers": 0}, tower.clip
    )
    assert isinstance(base, LearntMethod)
    save_checkpoint(tmp_path / "base.safetensors", base, PROVENANCE)
    assert load_checkpoint(tmp_path / "base.safetensors", base) == PROVENANCE


def other(tower: Tower, name: str, **changes: Any) -> LearntMethod:
    method = methods.build(name, SETTINGS[name] | changes, tower.clip)
    assert isinstance(method, LearntMethod)
    return method


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("anomalyclip", {"local_weight": 1.0}, r"anomalyclip with local_weight 4\.0, not 1\.0:"),
        ("anomalyclip", {"training": {"epochs": 7}}, r"anomalyclip with training\.epochs 2, not 7:"),
        ("coop", {"n_ctx": 4}, "coop with n_ctx 16, not 4:"),
        (
            "vand",
            {"training_by_auxiliary": {}},
            r"vand with training_by_auxiliary\.mvtec\.batch 8, not missing:",
        ),
    ],
)
def test_settings_that_decide_training_are_those_of_the_file(
    tower: Tower, tmp_path: Path, name: str, changes: dict[str, Any], message: str
) -> None:
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, fresh(tower, name), PROVENANCE)
    with pytest.raises(WeightsError, match=message) as caught:
        load_checkpoint(path, other(tower, name, **changes))
    assert str(caught.value).startswith(f"{path} was learnt by {name} with ")
    assert str(caught.value).endswith("set it to that, or train anew: `dvc repro train@visa`")


@pytest.mark.parametrize(("name", "changes"), [("anomalyclip", {}), ("coop", {"layers": [3]})])
def test_settings_that_only_scoring_reads_may_differ(
    tower: Tower, tmp_path: Path, name: str, changes: dict[str, Any]
) -> None:
    """They are those that move neither the loss nor what is learnt."""
    path, method = tmp_path / "a.safetensors", trained(tower, name)
    save_checkpoint(path, method, PROVENANCE)
    changed = other(tower, name, sigma=0.5, **changes)
    assert load_checkpoint(path, changed) == PROVENANCE
    auxiliary = auxiliary_set(tower.size)
    fit(changed, collect_features(tower.clip, auxiliary, changed.taps), seed=3)
    assert all(torch.equal(value, changed.state()[key]) for key, value in method.state().items())


def test_unusable_files_are_named_with_a_reason(tower: Tower, tmp_path: Path) -> None:
    method = fresh(tower, "coop")
    path = tmp_path / "coop.safetensors"
    with pytest.raises(WeightsError, match=r"coop\.safetensors does not exist"):
        load_checkpoint(path, method)
    save_checkpoint(path, method, PROVENANCE)
    with pytest.raises(WeightsError, match=r"coop\.safetensors was learnt by coop, not by vand"):
        load_checkpoint(path, fresh(tower, "vand"))
    content = path.read_bytes()
    path.write_bytes(content[:-7])
    with pytest.raises(WeightsError, match=r"coop\.safetensors is damaged"):
        load_checkpoint(path, method)
    save_file({"context": torch.zeros(1)}, path)
    with pytest.raises(WeightsError, match=r"coop\.safetensors is no checkpoint of zsad"):
        load_checkpoint(path, method)
