"""Whole evaluations on a cut-down project: what is run, reused, refused and written, on both backends."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray

from pipeline.cli import main
from pipeline.execution.run import Summary
from pipeline.params import load_params
from pipeline.results import IMAGE_METRICS, METRICS, PIXEL_METRICS, decode_heatmap
from pipeline.results.parquet import read_examples, read_scores
from tests.execution.running import evaluate, prepare, train
from tests.project import ROOT, Project

SUBSETS = 3 + 1 + 1 + 1
CELLS = SUBSETS * 3


def examples(project: Project) -> dict[tuple[str, ...], NDArray[np.int_]]:
    """Heatmaps by cell, image and role."""
    frame = read_examples(project.folder / "results" / "miniature" / "examples")
    names = (
        frame[["dataset", "subset", "method", "image", "role"]].astype(str).itertuples(index=False, name=None)
    )
    return {key: decode_heatmap(it).astype(int) for key, it in zip(names, frame["heatmap"], strict=True)}


def test_prompts_without_learnt_vectors_need_no_training(trained: Project) -> None:
    trained.set_param("methods", {"anomalyclip": trained.params()["methods"]["anomalyclip"]})
    trained.set_param("variants", {"anomalyclip": {"t1": {"n_ctx": 0, "deep_layers": 0}}})
    assert evaluate().counts() == {"run": 2 * SUBSETS, "reused": 0, "failed": 0}
    own = [row for row in trained.rows() if row.variant == "t1"]
    assert {(row.status, row.seed, row.auxiliary) for row in own} == {("ok", None, None)}


def test_every_cell_gets_its_row_and_a_second_run_reuses_all(trained: Project) -> None:
    assert evaluate().counts() == {"run": CELLS, "reused": 0, "failed": 0}
    rows = trained.rows()
    assert [row.status for row in rows] == ["ok"] * CELLS
    assert {row.method: row.title for row in rows} == {
        "clip": "CLIP",
        "clip_ac": "CLIP-AC",
        "anomalyclip": "AnomalyCLIP",
    }
    tuned = {(row.dataset, row.auxiliary) for row in rows if row.method == "anomalyclip"}
    assert tuned == {("btad", "sdd"), ("sdd", "btad"), ("headct", "btad"), ("endo", "btad")}
    assert {row.auxiliary for row in rows if row.method != "anomalyclip"} == {None}
    before = trained.files("results")
    assert evaluate().counts() == {"run": 0, "reused": CELLS, "failed": 0}
    assert trained.files("results") == before


def test_undefined_metrics_are_null_and_the_others_are_not(evaluated: Project) -> None:
    # The paper's PRO may be undefined on any map; what is always defined where there are masks is the rest.
    pixel = set(PIXEL_METRICS) - {"pixel_pro"}
    expected = {"headct": set(IMAGE_METRICS), "endo": pixel, "btad": pixel | set(IMAGE_METRICS)}
    for row in evaluated.rows():
        defined = {name for name in METRICS if getattr(row, name) is not None} - {"pixel_pro"}
        assert defined == expected.get(row.dataset, expected["btad"]), row.name


def test_rows_follow_from_the_stored_scores(evaluated: Project) -> None:
    from sklearn.metrics import average_precision_score, roc_auc_score

    scores = read_scores(evaluated.folder / "results" / "miniature" / "scores")
    rows = [row for row in evaluated.rows() if row.image_auroc is not None]
    assert len(rows) == CELLS - 3
    for row in rows:
        mine = scores[
            (scores["dataset"] == row.dataset)
            & (scores["subset"] == row.subset)
            & (scores["method"] == row.method)
        ]
        labels, values = mine["label"].to_numpy(int), mine["score"].to_numpy(float)
        assert (row.n_images, row.n_anomalous) == (len(mine), labels.sum())
        assert row.image_auroc == pytest.approx(roc_auc_score(labels, values), abs=1e-12)
        assert row.image_ap == pytest.approx(average_precision_score(labels, values), abs=1e-12)


def test_a_changed_setting_costs_the_cells_of_its_method(evaluated: Project) -> None:
    evaluated.set_param("methods.clip.sigma", 2.0)
    assert evaluate().counts() == {"run": SUBSETS, "reused": 2 * SUBSETS, "failed": 0}


def test_compute_params_cost_nothing(evaluated: Project) -> None:
    evaluated.set_param("compute.batch", 5)
    assert evaluate().counts() == {"run": 0, "reused": CELLS, "failed": 0}


def test_batch_size_does_not_move_a_metric_or_an_example(evaluated: Project) -> None:
    before = evaluated.rows()
    shown = examples(evaluated)
    assert len(shown) > 4 * CELLS
    shutil.rmtree(".zsad")
    evaluated.set_param("compute.batch", 5)
    evaluate()
    for one, other in zip(before, evaluated.rows(), strict=True):
        for name in METRICS:
            assert getattr(one, name) == pytest.approx(getattr(other, name), abs=2e-3), (one.name, name)
    again = examples(evaluated)
    assert again.keys() == shown.keys()
    for key, pixels in shown.items():
        assert np.abs(pixels - again[key]).max() < 24, key


def test_changed_images_cost_the_cells_of_their_subset(evaluated: Project) -> None:
    image = next(Path("data/headct").rglob("*.png"))
    shutil.copy(
        next(path for path in image.parent.glob("*.png") if path.read_bytes() != image.read_bytes()), image
    )
    prepare("headct")
    assert evaluate().counts() == {"run": 3, "reused": CELLS - 3, "failed": 0}


def test_a_damaged_cell_file_is_computed_again(evaluated: Project) -> None:
    before = evaluated.files("results")
    victim = next(Path(".zsad/cells").rglob("*.parquet"))
    victim.write_bytes(victim.read_bytes()[:-20])
    assert evaluate().counts() == {"run": 1, "reused": CELLS - 1, "failed": 0}
    assert evaluated.files("results") == before


def the_reason(summary: Summary) -> str:
    (reason,) = {reason for _, reason in summary.failures}
    return reason


@pytest.mark.parametrize("fault", ["corrupt image", "empty mask", "missing folder"])
def test_broken_data_is_named_and_costs_its_own_cells(evaluated: Project, fault: str) -> None:
    masks = sorted(Path("data/endo").rglob("masks/*"))
    if fault == "corrupt image":
        victim = sorted(Path("data/endo").rglob("images/*"))[3]
        victim.write_bytes(victim.read_bytes()[:200])
    elif fault == "empty mask":
        victim = masks[3]
        victim.write_bytes(b"")
    else:
        victim = masks[0].parent
        shutil.rmtree(victim)
    prepare("endo")
    summary = evaluate()
    assert victim.name in the_reason(summary)
    assert summary.counts() == {"run": 0, "reused": CELLS - 3, "failed": 3}
    failed = [row for row in evaluated.rows() if row.status == "failed"]
    assert {row.dataset for row in failed} == {"endo"}
    assert all(victim.name in str(row.error) for row in failed)


def test_repaired_data_costs_the_failed_cells_only(trained: Project) -> None:
    mask = next(Path("data/endo").rglob("masks/*"))
    content = mask.read_bytes()
    mask.write_bytes(b"")
    prepare("endo")
    assert not evaluate().complete
    mask.write_bytes(content)
    prepare("endo")
    assert evaluate().counts() == {"run": 3, "reused": CELLS - 3, "failed": 0}


def test_a_missing_subset_folder_of_the_auxiliary_set_stops_what_is_tuned_on_it(trained: Project) -> None:
    shutil.rmtree("data/btad/BTech_Dataset_transformed/03")
    prepare("btad")
    shutil.rmtree("weights/miniature/btad")
    train("btad")
    summary = evaluate()
    assert all("03" in reason for _, reason in summary.failures)
    # 03 itself for three methods, and AnomalyCLIP on sdd, headct and endo, which is tuned on btad
    assert len(summary.failures) == 3 + 3
    assert summary.run == CELLS - len(summary.failures)


def test_an_unknown_method_is_named_and_the_others_run(trained: Project) -> None:
    trained.set_param("methods.wincli", {})
    summary = evaluate()
    assert "'wincli'" in the_reason(summary)
    assert {row.title for row in trained.rows() if row.method == "wincli"} == {None}
    assert summary.counts() == {"run": CELLS, "reused": 0, "failed": SUBSETS}


@pytest.mark.parametrize(
    ("key", "value", "named"),
    [
        ("methods.clip.sigma", -1.0, "methods.clip.sigma"),
        ("methods.clip.layers", [9], "methods.clip.layers"),
        ("methods.clip.colour", "red", "methods.clip.colour"),
        ("methods.clip.tower", "other", "methods.clip.tower"),
    ],
)
def test_an_impossible_setting_is_named_and_the_others_stay(
    evaluated: Project, key: str, value: object, named: str
) -> None:
    evaluated.set_param(key, value)
    summary = evaluate()
    assert named in the_reason(summary)
    assert summary.counts() == {"run": 0, "reused": CELLS - SUBSETS, "failed": SUBSETS}


def test_an_impossible_setting_of_a_learnt_method_is_named_by_train_and_evaluate(evaluated: Project) -> None:
    evaluated.set_param("methods.anomalyclip.n_ctx", 76)
    for auxiliary in ("btad", "sdd"):
        shutil.rmtree(f"weights/miniature/{auxiliary}")
        train(auxiliary)
    summary = evaluate()
    assert all("methods.anomalyclip.n_ctx" in reason for _, reason in summary.failures)
    assert summary.counts() == {"run": 0, "reused": CELLS - SUBSETS, "failed": SUBSETS}


def test_a_leak_is_refused(evaluated: Project) -> None:
    evaluated.set_param("auxiliary", ["btad"])
    summary = evaluate()
    assert "leak" in the_reason(summary)
    assert summary.counts() == {"run": 0, "reused": CELLS - 3, "failed": 3}


def test_both_protocols_in_one_run_and_one_by_one(evaluated: Project) -> None:
    """What the second one needs is learnt already, and its numbers are those that it has alone."""
    evaluated.set_param("methods", {"anomalyclip": evaluated.params()["methods"]["anomalyclip"]})
    weights = evaluated.files("weights")
    evaluated.set_param("protocol", "both")
    assert evaluate().counts() == {"run": 2, "reused": SUBSETS, "failed": 0}
    other = {row.dataset: row for row in evaluated.rows() if row.variant == "sdd"}
    assert {(row.dataset, row.auxiliary, row.protocol) for row in other.values()} == {
        ("headct", "sdd", "sdd"),
        ("endo", "sdd", "sdd"),
    }
    for auxiliary in ("btad", "sdd"):
        train(auxiliary)
    assert evaluated.files("weights") == weights
    evaluated.set_param("protocol", "sdd")
    # On the two auxiliary sets both protocols are one: those cells are there, and say the protocol of today.
    assert evaluate().counts() == {"run": 2, "reused": SUBSETS - 2, "failed": 0}
    rows = evaluated.rows()
    assert {row.protocol for row in rows} == {"sdd"}
    for row in rows:
        if row.dataset in other:
            assert row.weights == other[row.dataset].weights
            assert [getattr(row, it) for it in METRICS] == [getattr(other[row.dataset], it) for it in METRICS]


@pytest.fixture
def retuned(trained: Project) -> Project:
    """`trained`, with AnomalyCLIP also tuned on the ColonDB-based set, for HeadCT and Endo."""
    shutil.copytree(ROOT / "samples" / "colon_auxiliary", "data/colon_auxiliary")
    block = {"auxiliary": "colon_auxiliary", "methods": ["anomalyclip"], "datasets": ["headct", "endo"]}
    trained.set_param("datasets", [*load_params().datasets, "colon_auxiliary"])
    trained.set_param("auxiliaries", ["btad", "sdd", "colon_auxiliary"])
    trained.set_param("retuned", {"medical": block})
    prepare("colon_auxiliary")
    train("colon_auxiliary")
    return trained


def test_a_retuned_variant_is_tuned_on_its_own_set_and_no_other_there(retuned: Project) -> None:
    weights = {path.name for path in Path("weights/miniature").glob("*/*.safetensors")}
    assert weights == {"anomalyclip-seed111.safetensors", "anomalyclip.medical-seed111.safetensors"}
    assert [path.name for path in Path("weights/miniature/colon_auxiliary").glob("*.safetensors")] == [
        "anomalyclip.medical-seed111.safetensors"
    ]
    shutil.rmtree("weights/miniature/btad")
    train("btad")
    assert [path.name for path in Path("weights/miniature/btad").glob("*.safetensors")] == [
        "anomalyclip-seed111.safetensors"
    ]


def test_a_retuned_variant_gets_rows_where_it_asks(retuned: Project) -> None:
    assert evaluate().counts() == {"run": CELLS + 2, "reused": 0, "failed": 0}
    rows = retuned.rows()
    assert {row.dataset for row in rows} == {"btad", "sdd", "headct", "endo"}
    medical = {row.dataset: row for row in rows if row.variant == "medical"}
    assert set(medical) == {"headct", "endo"}
    assert {row.auxiliary for row in medical.values()} == {"colon_auxiliary"}
    plain = next(row for row in rows if (row.method, row.dataset, row.variant) == ("anomalyclip", "endo", ""))
    assert plain.auxiliary == "btad"
    assert plain.pixel_auroc != medical["endo"].pixel_auroc


def test_a_lost_image_of_the_auxiliary_set_costs_what_is_tuned_on_it(retuned: Project) -> None:
    victim = next(Path("data/colon_auxiliary").rglob("normal-cecum/*"))
    victim.unlink()
    prepare("colon_auxiliary")
    shutil.rmtree("weights/miniature/colon_auxiliary")
    train("colon_auxiliary")
    summary = evaluate()
    assert "could not be tuned on colon_auxiliary" in the_reason(summary)
    assert "expected 12 normal, found 11" in the_reason(summary)
    assert summary.counts() == {"run": CELLS, "reused": 0, "failed": 2}


def test_missing_weights_say_which_stage_to_run(evaluated: Project) -> None:
    shutil.rmtree("weights/miniature/sdd")
    summary = evaluate()
    assert "dvc repro train@sdd" in the_reason(summary)
    assert len(summary.failures) == 3


def test_an_unprepared_data_set_says_so(evaluated: Project) -> None:
    shutil.rmtree("shards/miniature/endo")
    summary = evaluate()
    assert "shards/miniature/endo" in the_reason(summary)
    assert summary.counts() == {"run": 0, "reused": CELLS - 3, "failed": 3}


def test_three_seeds_are_three_cells(trained: Project) -> None:
    trained.set_param("seeds", [111, 1, 2])
    trained.set_param("datasets", ["btad", "sdd"])
    trained.set_param("methods", {"anomalyclip": trained.params()["methods"]["anomalyclip"]})
    for auxiliary in ("btad", "sdd"):
        train(auxiliary)
    assert evaluate().counts() == {"run": 4 * 3, "reused": 0, "failed": 0}
    learnt = [row for row in trained.rows() if row.dataset == "sdd"]
    assert {row.seed for row in learnt} == {1, 2, 111}
    assert len({row.pixel_auroc for row in learnt}) == 3


def test_plan_lists_what_failed_last_and_a_mended_run_costs_just_that(trained: Project) -> None:
    masks = sorted(Path("data/endo").rglob("masks/*"))
    content = masks[0].read_bytes()
    masks[0].write_bytes(b"")
    trained.set_param("methods.wincli", {})
    prepare("endo")
    evaluate()
    masks[0].write_bytes(content)
    prepare("endo")
    done = CliRunner().invoke(main, ["plan", "--only", "failed"])
    assert done.output.count("failed: ") == SUBSETS + 3
    assert f"failed: clip on endo/colon: endo/colon: {masks[0].name}"[:35] in done.output
    assert "endo/colon: clip, clip_ac, anomalyclip" in done.output
    assert "3 cells to run in 1 group" in done.output
    assert f"0 cells finished, {SUBSETS} refused" in done.output
    assert evaluate().counts() == {"run": 3, "reused": CELLS - 3, "failed": SUBSETS}
