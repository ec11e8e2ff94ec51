"""The ablations of the paper as settings of AnomalyCLIP, and what each must leave unchanged."""

from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from pipeline import methods
from pipeline.clip import Local
from pipeline.methods.anomalyclip import AnomalyClip
from pipeline.methods.base import Scores
from tests.clip.reference import close, unit
from tests.clip.towers import Tower, random_images

from .reference import look, paper_map, text_side
from .test_methods_reference import tokens

FULL: dict[str, Any] = {"layers": [6], "dpam_start": 3, "deep_layers": 4, "sigma": 1.5}


def shipped(name: str) -> dict[str, Any]:
    values: dict[str, Any] = yaml.safe_load((files("pipeline") / f"conf/{name}.yaml").read_text("utf-8"))
    return values


VARIANTS: dict[str, dict[str, Any]] = shipped("variants/ablations")["anomalyclip"]
REVIEW: dict[str, dict[str, Any]] = shipped("variants/appendix")["variants"]["anomalyclip"]
BASE, T1, T2 = (VARIANTS[row] for row in ("base", "t1", "t2"))


def built(tower: Tower, changes: dict[str, Any]) -> AnomalyClip:
    method = methods.build("anomalyclip", FULL | changes, tower.clip)
    assert isinstance(method, AnomalyClip)
    return method


def scores(tower: Tower, changes: dict[str, Any], class_name: str = "screw") -> Scores:
    method = built(tower, changes)
    features = tower.clip.encode_image(random_images(3, tower.size), method.taps)
    return method.score(features, method.text_features(class_name))


def learnt_values(method: AnomalyClip) -> int:
    return sum(value.numel() for value in method.state().values())


def test_table_4_counts_of_learnt_values(tower: Tower) -> None:
    width = tower.shape.text_width
    rows: list[dict[str, Any]] = [BASE, T1, T2, {}]
    assert [learnt_values(built(tower, row)) for row in rows] == [0, 0, 24 * width, (24 + 16) * width]


def test_table_4_dpam_moves_the_map_and_not_the_image_score(tower: Tower) -> None:
    base, t1 = scores(tower, BASE), scores(tower, T1)
    assert torch.equal(base.image, t1.image)
    assert (base.maps - t1.maps).abs().max() > 1e-3


def test_table_4_base_reads_two_plain_prompts(tower: Tower) -> None:
    words = [[49406, *tokens(text), 49407] for text in ("object.", "damaged object.")]
    close(built(tower, BASE).text_features("screw"), unit(text_side(tower, words)))


def test_table_5_switches_single_losses(tower: Tower) -> None:
    images, labels = random_images(3, tower.size), torch.tensor([0, 1, 1])
    masks = torch.zeros(3, tower.size, tower.size, dtype=torch.bool)
    masks[1:, :9] = True
    features = tower.clip.encode_image(images, built(tower, {}).taps)
    both, global_only, local_only = (
        built(tower, changes).loss(features, labels, masks, ["x"] * 3)
        for changes in ({}, VARIANTS["global_only"], VARIANTS["local_only"])
    )
    image = both.parts["global"].item()
    assert 0 < image < both.total.item()
    assert global_only.total.item() == pytest.approx(image, rel=1e-6)
    assert local_only.total.item() == pytest.approx(both.total.item() - image, rel=1e-5)
    assert built(tower, VARIANTS["untrained"]).settings.training.epochs == 0


def test_figure_5_twin_reads_the_class_name(tower: Tower) -> None:
    assert built(tower, VARIANTS["object_aware"]).class_aware
    assert not built(tower, {}).class_aware
    aware = [scores(tower, VARIANTS["object_aware"], name).image for name in ("screw", "tile")]
    assert (aware[0] - aware[1]).abs().max() > 1e-5
    agnostic = [scores(tower, {}, name).image for name in ("screw", "tile")]
    assert torch.equal(agnostic[0], agnostic[1])


def test_figure_6_attentions_differ_on_the_map_only(tower: Tower) -> None:
    kinds = [{}, VARIANTS["qq"], VARIANTS["kk"], {"attention": "qk"}]
    found = [scores(tower, changes) for changes in kinds]
    assert [built(tower, changes).settings.attention for changes in kinds] == [
        ("vv",),
        ("qq",),
        ("kk",),
        ("qk",),
    ]
    for one in range(4):
        for other in range(one):
            assert torch.equal(found[one].image, found[other].image)
            assert (found[one].maps - found[other].maps).abs().max() > 1e-4


@pytest.mark.parametrize(
    "sweep",
    [
        [{"n_ctx": 4}, {"n_ctx": 12}, {"n_ctx": 16}],
        [{"deep_layers": 0}, {"deep_layers": 3}, {"deep_layers": 5}],
        [{"deep_tokens": 2}, {"deep_tokens": 4}, {"deep_tokens": 8}],
        [{"layers": [6]}, {"layers": [4, 6]}, {"layers": [3, 4, 5, 6]}],
        [{"sigma": 0.0}, {"sigma": 1.0}, {"sigma": 8.0}],
        [{"prompts": "object"}, {"prompts": "flawed"}, {"prompts": "defective"}],
    ],
)
def test_appendix_sweeps_run_and_differ(tower: Tower, sweep: list[dict[str, Any]]) -> None:
    found = [scores(tower, changes).maps for changes in sweep]
    assert (found[0] - found[1]).abs().max() > 1e-6
    assert (found[1] - found[2]).abs().max() > 1e-6


def test_what_both_files_name_is_one_thing() -> None:
    both = VARIANTS.keys() & REVIEW.keys()
    assert both == {"object_aware", "t2", "global_only"}
    assert {name: VARIANTS[name] for name in both} == {name: REVIEW[name] for name in both}


def test_review_table_11_both_prompts_have_one_context(tower: Tower) -> None:
    width = tower.shape.text_width
    method = built(tower, REVIEW["shared_context"])
    assert learnt_values(method) == (12 + 16) * width
    context, deep = method.state()["context"], [method.state()[f"deep.{number}"] for number in range(4)]
    ids = [[49406, *[343] * 12, *tokens(text), 49407] for text in ("object.", "damaged object.")]
    wanted = text_side(tower, ids, context.expand(2, -1, -1), deep)
    close(method.text_features("screw"), unit(wanted))


@pytest.mark.parametrize("variant", ["three_attentions", "four_attentions"])
def test_review_table_12_averages_the_logits_of_several_attentions(tower: Tower, variant: str) -> None:
    method, kinds = built(tower, REVIEW[variant]), REVIEW[variant]["attention"]
    images = random_images(2, tower.size)
    text = method.text_features("screw")
    found = method.score(tower.clip.encode_image(images, method.taps), text)
    for row, image in enumerate(images):
        steps = look(tower, image, start=3, kinds=[kind for kind in kinds if kind != "qk"]).steps
        outputs = [steps.o[6] if kind == "qk" else steps.streams[kind][6] for kind in kinds]
        cosines = [unit(steps.projected(output)) @ text.double().T for output in outputs]
        patches = torch.softmax(torch.stack(cosines).sum(0) / len(kinds) / 0.07, dim=-1)
        close(found.maps[row], paper_map([patches], tower.size, 1.5))


def test_review_table_14_switches_parts_of_the_local_loss(tower: Tower) -> None:
    images, labels = random_images(3, tower.size), torch.tensor([0, 1, 1])
    masks = torch.zeros(3, tower.size, tower.size, dtype=torch.bool)
    masks[1:, :9] = True
    features = tower.clip.encode_image(images, built(tower, {}).taps)
    for variant, kept in (("focal_only", ("focal",)), ("dice_only", ("dice_abnormal", "dice_normal"))):
        losses = built(tower, REVIEW[variant]).loss(features, labels, masks, ["x"] * 3)
        wanted = losses.parts["global"] + 4 * sum(losses.parts[part] for part in kept)
        assert losses.total.item() == pytest.approx(wanted.item(), rel=1e-6)


def test_review_table_7_leaves_one_module_out(tower: Tower) -> None:
    method = built(tower, REVIEW["no_dpam"])
    assert [type(tap).__name__ for tap in method.taps].count("Local") == 1
    assert Local("qk", 6) in method.taps
    assert learnt_values(method) == learnt_values(built(tower, {}))
    assert built(tower, REVIEW["lambda_1"]).settings.local_weight == 1


def test_all_variants_ride_on_one_pass(tmp_path: Path, tower: Tower) -> None:
    variants = [built(tower, changes) for changes in (BASE, T1, T2, {}, VARIANTS["qq"], VARIANTS["kk"])]
    images = random_images(2, tower.size)
    taps = frozenset().union(*(method.taps for method in variants))
    assert len(taps) == 5
    features = tower.clip.encode_image(images, taps)
    for method in variants:
        text = method.text_features("")
        alone = method.score(tower.clip.encode_image(images, method.taps), text)
        assert torch.equal(method.score(features, text).maps, alone.maps)
