"""Official checkpoints: in, out, scored against a straight computation, and refused with a reason."""

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from pipeline import methods
from pipeline.errors import ParamsError, WeightsError
from pipeline.files import file_digest
from pipeline.methods.base import LearntMethod
from pipeline.training import interchange, load_checkpoint, save_checkpoint
from pipeline.training.interchange import RELEASED, Released, export_official, read_official
from tests.clip.reference import close, unit
from tests.clip.towers import Tower, make_tower, random_images
from tests.methods.reference import (
    DAMAGED,
    OBJECT,
    look,
    paper_map,
    prompt_ids,
    softmax2,
    text_side,
    upsampled,
)
from tests.methods.test_methods_reference import CLASS, ensemble

from .official import DEEP, linear_layers, prompt_learner, write


@pytest.fixture(scope="module")
def tower(tmp_path_factory: pytest.TempPathFactory) -> Tower:
    return make_tower(tmp_path_factory.mktemp("tower"), shape=DEEP)


@pytest.fixture(scope="module")
def vand_tower(tmp_path_factory: pytest.TempPathFactory) -> Tower:
    return make_tower(tmp_path_factory.mktemp("vand"), shape=DEEP, position="bicubic", activation="gelu")


@pytest.fixture
def released(tower: Tower, tmp_path: Path) -> Path:
    return write(tmp_path / "epoch_15.pth", "prompt_learner", prompt_learner(tower))


def imported(path: Path, tower: Tower, **changes: Any) -> LearntMethod:
    return read_official(path).build(tower.clip, {}, changes)


def through_our_file(method: LearntMethod, folder: Path) -> LearntMethod:
    save_checkpoint(folder / "ours.safetensors", method, {})
    copy = methods.build(method.name, method.settings.model_dump(mode="json"), method.clip)
    assert isinstance(copy, LearntMethod)
    load_checkpoint(folder / "ours.safetensors", copy)
    return copy


def scored(method: LearntMethod, images: Tensor, class_name: str) -> tuple[Tensor, Tensor]:
    text = method.text_features(class_name)
    scores = method.score(method.clip.encode_image(images, method.taps), text)
    return scores.image, scores.maps


def test_a_released_anomalyclip_file_scores_as_a_straight_computation(
    tower: Tower, released: Path, tmp_path: Path
) -> None:
    method = through_our_file(imported(released, tower), tmp_path)
    state = torch.load(released, weights_only=True)["prompt_learner"]
    contexts = torch.cat([state["ctx_pos"][0], state["ctx_neg"][0]])
    deep = [state[f"compound_prompts_text.{number}"] for number in range(8)]
    normal, abnormal = unit(
        text_side(tower, [prompt_ids(words, 12) for words in (OBJECT, DAMAGED)], contexts, deep)
    )
    images = random_images(1, tower.size)
    image_scores, maps = scored(method, images, "")
    seen = look(tower, images[0], start=6)
    close(image_scores[0], softmax2(seen.steps.head(ln_post=False), normal, abnormal, 0.07)[1])
    patches = softmax2(seen.steps.projected(seen.steps.streams["vv"][24]), normal, abnormal, 0.07)
    close(maps[0], paper_map([patches], tower.size, 4.0))


def test_a_released_vand_file_scores_as_a_straight_computation(vand_tower: Tower, tmp_path: Path) -> None:
    tower, layers = vand_tower, linear_layers(vand_tower)
    path = write(tmp_path / "mvtec_pretrained.pth", "trainable_linearlayer", layers)
    method = through_our_file(imported(path, tower), tmp_path)
    images = random_images(1, tower.size)
    image_scores, maps = scored(method, images, CLASS)
    pair = ensemble(tower, "vand", "released_35", each=True)
    seen = look(tower, images[0])
    close(image_scores[0], softmax2(seen.steps.head(ln_post=True), *pair, 0.01)[1])
    total = torch.zeros(tower.size, tower.size).double()
    for number, layer in enumerate((6, 12, 18, 24)):
        weight, bias = layers[f"fc.{number}.weight"].double(), layers[f"fc.{number}.bias"].double()
        patches = unit(seen.steps.o[layer][1:] @ weight.T + bias)
        logits = [
            upsampled((100 * patches @ text).view(seen.grid, seen.grid), tower.size, corners=True)
            for text in pair
        ]
        total += torch.softmax(torch.stack(logits), 0)[1]
    close(maps[0], total)


def test_anomalyclip_comes_out_as_it_went_in(tower: Tower, released: Path, tmp_path: Path) -> None:
    before = torch.load(released, weights_only=True)["prompt_learner"]
    export_official(tmp_path / "out.pth", through_our_file(imported(released, tower), tmp_path))
    content = torch.load(tmp_path / "out.pth", weights_only=True)
    assert content.keys() == {"prompt_learner"}
    after = content["prompt_learner"]
    assert after.keys() == before.keys()
    for name, value in before.items():
        assert (after[name].shape, after[name].dtype) == (value.shape, value.dtype)
        never_called = name.startswith("compound_prompt_projections")
        assert not after[name].any() if never_called else torch.equal(after[name], value), name


def test_vand_comes_out_as_it_went_in(vand_tower: Tower, tmp_path: Path) -> None:
    layers = linear_layers(vand_tower)
    path = write(tmp_path / "in.pth", "trainable_linearlayer", layers)
    export_official(tmp_path / "out.pth", through_our_file(imported(path, vand_tower), tmp_path))
    after = torch.load(tmp_path / "out.pth", weights_only=True)["trainable_linearlayer"]
    assert after.keys() == layers.keys()
    assert all(torch.equal(after[name], value) for name, value in layers.items())


def test_equal_content_exports_to_equal_bytes(tower: Tower, released: Path, tmp_path: Path) -> None:
    for name in ("one.pth", "another.pth"):
        export_official(tmp_path / name, imported(released, tower))
    assert (tmp_path / "one.pth").read_bytes() == (tmp_path / "another.pth").read_bytes()


def test_settings_follow_the_shapes(tower: Tower, tmp_path: Path) -> None:
    path = write(tmp_path / "a.pth", "prompt_learner", prompt_learner(tower, n_ctx=7, deep=3))
    settings = imported(path, tower, sigma=1.0).settings.model_dump()
    expected = {"n_ctx": 7, "deep_layers": 3, "deep_tokens": 4, "prompts": "object", "layers": (24,)}
    assert expected.items() <= settings.items()
    assert settings["sigma"] == 1.0


def test_other_words_are_recognised_by_their_tokens(tower: Tower, tmp_path: Path) -> None:
    flawed = methods.build("anomalyclip", {"prompts": "flawed"}, tower.clip)
    assert isinstance(flawed, LearntMethod)
    export_official(tmp_path / "a.pth", flawed)
    assert imported(tmp_path / "a.pth", tower).settings.model_dump()["prompts"] == "flawed"


def test_chosen_layers_must_be_as_many_as_in_the_file(vand_tower: Tower, tmp_path: Path) -> None:
    path = write(tmp_path / "a.pth", "trainable_linearlayer", linear_layers(vand_tower, 3))
    assert imported(path, vand_tower).settings.model_dump()["layers"] == (8, 16, 24)
    assert imported(path, vand_tower, layers=[1, 2, 3]).settings.model_dump()["layers"] == (1, 2, 3)
    with pytest.raises(WeightsError, match=r"a\.pth: it holds 3 linear layers, .* names 2"):
        imported(path, vand_tower, layers=[1, 2])


def test_a_setting_against_the_file_is_refused(tower: Tower, released: Path) -> None:
    with pytest.raises(WeightsError, match=r"epoch_15\.pth: its n_ctx is 12, but 4 was asked for"):
        imported(released, tower, n_ctx=4)
    with pytest.raises(ParamsError, match=r"methods\.anomalyclip\.layers"):
        imported(released, tower, layers=24)


def test_known_digests_name_the_auxiliary_set(
    tower: Tower, released: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert read_official(released).provenance["source"] is None
    digest = file_digest(released)
    monkeypatch.setattr(interchange, "RELEASED", {digest: Released("the one for MVTec AD", "visa")})
    assert read_official(released).provenance == {
        "file": "epoch_15.pth",
        "sha256": digest,
        "source": "the one for MVTec AD",
        "auxiliary": "visa",
    }


def test_released_files_are_not_mixed_up() -> None:
    known = {digest[:8]: released for digest, released in RELEASED.items()}
    assert known["94ce202d"].auxiliary == "visa"
    assert known["94ce202d"].title == "AnomalyCLIP epoch 15 tuned on VisA, for MVTec AD"
    assert known["415c5dcb"].auxiliary == "mvtec"
    assert all(len(digest) == 64 for digest in RELEASED)


def test_a_file_of_another_tower_is_refused(tower: Tower, tmp_path: Path) -> None:
    state = prompt_learner(tower)
    state["token_suffix_neg"] = state["token_suffix_neg"] + 0.01
    path = write(tmp_path / "a.pth", "prompt_learner", state)
    with pytest.raises(WeightsError, match=r"a\.pth: token_suffix_neg is not the embedding of tower main"):
        imported(path, tower)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ctx_neg": None}, "ctx_neg is missing, expected"),
        ({"ctx_pos": None}, "ctx_pos is missing, expected"),
        ({"extra": torch.zeros(1)}, r"extra is \(1,\), expected no such tensor"),
        ({"ctx_pos": torch.zeros(1, 1, 12, 31)}, r"ctx_pos is \(1, 1, 12, 31\), expected \(1, 1, 12, 32\)"),
        ({"compound_prompts_text.0": torch.tensor(1.0)}, r"compound_prompts_text\.0 is \(\), expected"),
        ({"compound_prompts_text.3": None}, r"compound_prompt_projections\.3\.bias is \(896,\), expected no"),
        ({"ctx_pos": torch.full((1, 1, 12, 32), torch.nan)}, "ctx_pos holds values that are not finite"),
        ({"tokenized_prompts_pos": torch.zeros(1, 1, 77)}, "tokenized_prompts_pos and _neg are no words"),
    ],
)
def test_other_names_shapes_and_words_are_refused(
    tower: Tower, tmp_path: Path, change: dict[str, Tensor | None], message: str
) -> None:
    changed = {**prompt_learner(tower), **change}
    state = {name: value for name, value in changed.items() if value is not None}
    path = write(tmp_path / "a.pth", "prompt_learner", state)
    with pytest.raises(WeightsError, match=rf"a\.pth: {message}"):
        imported(path, tower)


class Payload:
    """Runs a command when it is unpickled."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (self.command,)


def test_code_is_never_run(tmp_path: Path) -> None:
    path, trace = tmp_path / "evil.pth", tmp_path / "trace"
    torch.save({"prompt_learner": {"ctx_pos": Payload(f"touch {trace}")}}, path)
    with pytest.raises(WeightsError, match=r"evil\.pth holds more than tensors"):
        read_official(path)
    assert not trace.exists()


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.999])
def test_a_truncated_file_is_refused(released: Path, share: float) -> None:
    content = released.read_bytes()
    released.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(WeightsError, match=r"epoch_15\.pth is (damaged|empty)"):
        read_official(released)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"state_dict": {}}, "is no official checkpoint: expected one key"),
        ({"prompt_learner": {}, "epoch": 3}, "is no official checkpoint"),
        ([1, 2], "is no official checkpoint"),
        ({"prompt_learner": [1]}, "holds no state dict"),
        ({"trainable_linearlayer": {"fc.0.weight": 1}}, "holds no state dict"),
    ],
)
def test_anything_else_is_refused(tmp_path: Path, content: object, message: str) -> None:
    torch.save(content, tmp_path / "a.pth")
    with pytest.raises(WeightsError, match=rf"a\.pth:? {message}"):
        read_official(tmp_path / "a.pth")
    with pytest.raises(WeightsError, match=r"b\.pth does not exist"):
        read_official(tmp_path / "b.pth")


def test_what_has_no_official_format_is_not_exported(tower: Tower, tmp_path: Path) -> None:
    for name, settings, message in (
        ("coop", {}, "coop has no official checkpoint format"),
        ("anomalyclip", {"prompts": "object_aware"}, "prompts object_aware"),
        ("anomalyclip", {"n_ctx": 0, "deep_layers": 0}, "n_ctx 0"),
    ):
        method = methods.build(name, settings, tower.clip)
        assert isinstance(method, LearntMethod)
        with pytest.raises(WeightsError, match=message):
            export_official(tmp_path / "a.pth", method)
    assert not (tmp_path / "a.pth").exists()
