"""Checkpoints: same bytes, same scores, and a reason for each file that cannot be used."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from pipeline import methods
from pipeline.errors import WeightsError
from pipeline.methods.base import LearntMethod
from pipeline.training import collect_features, load_checkpoint, read_checkpoint, save_checkpoint, train
from tests.clip.towers import Tower, make_tower, random_images

from .test_fit import SETTINGS, auxiliary_set

PROVENANCE = {"auxiliary": "visa", "seed": 3, "weights": "abc"}


@pytest.fixture(scope="module")
def tower(tmp_path_factory: pytest.TempPathFactory) -> Tower:
    return make_tower(tmp_path_factory.mktemp("tower"))


def trained(tower: Tower, name: str) -> LearntMethod:
    method = fresh(tower, name)
    auxiliary = auxiliary_set(tower.size)
    train(method, auxiliary, collect_features(tower.clip, auxiliary, method.taps), seed=3)
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


def test_unusable_files_are_named_with_a_reason(tower: Tower, tmp_path: Path) -> None:
    method = fresh(tower, "coop")
    path = tmp_path / "coop.safetensors"
    with pytest.raises(WeightsError, match=r"coop\.safetensors does not exist"):
        load_checkpoint(path, method)
    save_checkpoint(path, method, PROVENANCE)
    with pytest.raises(WeightsError, match=r"coop\.safetensors was learnt by coop, not by vand"):
        load_checkpoint(path, fresh(tower, "vand"))
    longer = methods.build("coop", SETTINGS["coop"] | {"n_ctx": 4}, tower.clip)
    assert isinstance(longer, LearntMethod)
    with pytest.raises(
        WeightsError, match=r"coop\.safetensors: coop: learnt weight context is \(1, 16, 32\)"
    ):
        load_checkpoint(path, longer)
    content = path.read_bytes()
    path.write_bytes(content[:-7])
    with pytest.raises(WeightsError, match=r"coop\.safetensors is damaged"):
        load_checkpoint(path, method)
    save_file({"context": torch.zeros(1)}, path)
    with pytest.raises(WeightsError, match=r"coop\.safetensors is no checkpoint of zsad"):
        load_checkpoint(path, method)
