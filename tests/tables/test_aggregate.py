import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.cells import System
from pipeline.results import ResultsError
from pipeline.tables import outcome_of
from pipeline.tables.aggregate import SystemMeans
from pipeline.tables.mean import Mean

from .make import EXPECTED, failed, frame, full_run, outcome, row

CLIP = System("clip")
ANOMALYCLIP = System("anomalyclip")
SHARES = {"bottle": 0.9, "cable": 0.6, "01": 0.5, "headct": 0.8, "isic": 0.7}


def test_mean_over_subsets_is_plain(tmp_path: Path) -> None:
    means = outcome(tmp_path, full_run("clip", SHARES)).means[CLIP]
    assert means.over_subsets("mvtec", "image_auroc") == Mean(0.75)
    assert means.over_seeds("mvtec", "cable", "pixel_pro") == Mean(0.6)


def test_mean_over_data_sets_counts_each_once(tmp_path: Path) -> None:
    means = outcome(tmp_path, full_run("clip", SHARES)).means[CLIP]
    assert means.over_datasets(EXPECTED, "image_auroc").value == pytest.approx(
        (0.75 + 0.5 + 0.8) / 3, abs=1e-15
    )
    assert means.over_datasets(EXPECTED, "pixel_pro").value == pytest.approx(
        (0.75 + 0.5 + 0.7) / 3, abs=1e-15
    )


def test_a_metric_that_the_data_set_does_not_have_is_undefined_without_a_reason(tmp_path: Path) -> None:
    means = outcome(tmp_path, full_run("clip", SHARES)).means[CLIP]
    assert means.over_subsets("headct", "pixel_pro") == Mean(None)
    assert means.over_subsets("isic", "image_ap") == Mean(None)
    assert means.over_datasets(["headct"], "pixel_pro") == Mean(None)


def test_seeds_have_equal_weight_and_agree_with_pandas(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = [
        row("mvtec", subset, "anomalyclip", float(rng.random()), seed=seed)
        for subset in ("bottle", "cable")
        for seed in (1, 2, 3)
    ]
    metrics = frame(rows, tmp_path)
    means = outcome_of(metrics, EXPECTED, "miniature").means[ANOMALYCLIP]
    reference = metrics.groupby("seed")["image_ap"].mean().mean()
    assert means.seeds == (1, 2, 3)
    assert means.over_subsets("mvtec", "image_ap").value == pytest.approx(reference, abs=1e-15)


@pytest.mark.parametrize("metric", ["image_auroc", "pixel_pro_exact"])
def test_a_failed_subset_leaves_no_mean_but_a_reason(tmp_path: Path, metric: str) -> None:
    rows = [
        row("mvtec", "bottle", "clip", 0.9),
        failed("mvtec", "cable", "clip", "a.png: broken\n  fetch it"),
    ]
    means = outcome(tmp_path, rows).means[CLIP]
    assert means.over_subsets("mvtec", metric) == Mean(
        None, "1 of 2 subsets (cable): failed (a.png: broken fetch it)"
    )
    assert means.over_seeds("mvtec", "cable", metric) == Mean(None, "failed (a.png: broken fetch it)")
    assert means.over_seeds("mvtec", "bottle", metric) == Mean(0.9)


def test_a_missing_subset_leaves_no_mean_but_a_reason(tmp_path: Path) -> None:
    means = outcome(tmp_path, [row("mvtec", "bottle", "clip", 0.9)]).means[CLIP]
    assert means.over_subsets("mvtec", "image_auroc") == Mean(None, "1 of 2 subsets (cable): missing")
    assert means.over_subsets("btad", "image_auroc") == Mean(None, "not run")
    assert means.over_datasets(["mvtec", "btad", "headct"], "pixel_pro") == Mean(
        None, "no value on 2 of 2 data sets (mvtec, btad)"
    )


def test_a_subset_that_lacks_one_seed_is_missing(tmp_path: Path) -> None:
    rows = [
        row("mvtec", "bottle", "anomalyclip", 0.9, seed=1),
        row("mvtec", "bottle", "anomalyclip", 0.8, seed=2),
        row("mvtec", "cable", "anomalyclip", 0.7, seed=1),
    ]
    means = outcome(tmp_path, rows).means[ANOMALYCLIP]
    assert means.over_subsets("mvtec", "image_ap") == Mean(None, "1 of 4 cells (cable with seed 2): missing")
    assert means.over_seeds("mvtec", "bottle", "image_ap").value == pytest.approx(0.85)


def test_undefined_on_one_subset_is_a_reason_and_undefined_on_all_is_none(tmp_path: Path) -> None:
    rows = [
        row("mvtec", "bottle", "clip", 0.9, image_ap=None, pixel_pro=None),
        row("mvtec", "cable", "clip", 0.9, image_ap=None),
    ]
    means = outcome(tmp_path, rows).means[CLIP]
    assert means.over_subsets("mvtec", "image_ap") == Mean(None)
    assert means.over_subsets("mvtec", "pixel_pro") == Mean(None, "1 of 2 subsets (bottle): undefined")


def test_several_reasons_are_all_given(tmp_path: Path) -> None:
    rows = [failed("mvtec", "bottle", "anomalyclip", "x" * 500)]
    means = outcome(tmp_path, rows).means[ANOMALYCLIP]
    reason = means.over_subsets("mvtec", "image_ap").missing
    assert reason == f"1 of 2 subsets (bottle): failed ({'x' * 160}...); 1 of 2 subsets (cable): missing"


def test_what_a_method_was_tuned_on(tmp_path: Path) -> None:
    rows = full_run("anomalyclip", SHARES) + full_run("clip", SHARES)
    means = outcome(tmp_path, rows).means
    assert means[ANOMALYCLIP].auxiliaries() == {
        "btad": "mvtec",
        "headct": "mvtec",
        "isic": "mvtec",
        "mvtec": "btad",
    }
    assert means[CLIP].auxiliaries() == {}


def test_variants_are_apart(tmp_path: Path) -> None:
    rows = [row("btad", "01", "clip", 0.2), row("btad", "01", "clip", 0.4, variant="bicubic")]
    means = outcome(tmp_path, rows).means
    assert means[System("clip", "bicubic")].over_subsets("btad", "image_ap") == Mean(0.4)
    assert means[CLIP].over_subsets("btad", "image_ap") == Mean(0.2)
    assert [system.name for system in means] == ["clip", "clip[bicubic]"]


def test_rows_that_do_not_belong_are_refused(tmp_path: Path) -> None:
    metrics = frame(full_run("clip", SHARES), tmp_path)
    rest = {name: record for name, record in EXPECTED.items() if name != "isic"}
    with pytest.raises(ResultsError, match="clip on isic/isic: not part of this run"):
        outcome_of(metrics, rest, "miniature")
    with pytest.raises(ResultsError, match="clip on btad/01: this cell occurs twice"):
        outcome_of(pd.concat([metrics, metrics[metrics["dataset"] == "btad"]]), EXPECTED, "miniature")
    with pytest.raises(ResultsError, match="no results to tabulate"):
        outcome_of(metrics.iloc[:0], EXPECTED, "miniature")


@given(st.lists(st.floats(0, 1), min_size=2, max_size=2), st.permutations([0, 1]))
def test_the_mean_does_not_depend_on_the_order(shares: list[float], order: list[int]) -> None:
    rows = [
        row("mvtec", subset, "clip", share) for subset, share in zip(("bottle", "cable"), shares, strict=True)
    ]
    value = (
        SystemMeans(CLIP, [rows[place] for place in order], EXPECTED).over_subsets("mvtec", "image_ap").value
    )
    assert value == math.fsum(shares) / 2
