"""What the miniature tables of `baseline/` must say for the profile to mean anything."""

import csv
from statistics import fmean

import pytest

from pipeline import catalog
from tests.project import ROOT

TABLES = ROOT / "baseline" / "miniature"
# VAND's maps of one texture saturate: at none of 200 equal steps is the false positive rate below 0.3.
UNDEFINED = {"pixel_pro": {("vand", "dagm")}}
METHODS = ("clip", "clip_ac", "winclip", "vand", "coop", "anomalyclip")


def means(metric: str) -> dict[tuple[str, str], float]:
    """(method, data set) to the mean over subsets in percent, from the per-subset tables."""
    found = {}
    for dataset in catalog.names():
        with (TABLES / "subsets" / f"{dataset}.csv").open(encoding="utf-8") as file:
            for row in csv.DictReader(file):
                if (
                    row["subset"] == "(mean)"
                    and row["metric"] == metric
                    and not row["variant"]
                    and row["value"]
                ):
                    found[row["method"], dataset] = float(row["value"])
    return found


def sets(task: str) -> set[str]:
    return {name for name in catalog.names() if task in catalog.record(name).tasks}


@pytest.mark.parametrize(
    ("metric", "task"),
    [("image_auroc", "image"), ("image_ap", "image"), ("pixel_auroc", "pixel"), ("pixel_pro", "pixel")],
)
def test_no_cell_is_missing(metric: str, task: str) -> None:
    every = {(method, dataset) for method in METHODS for dataset in sets(task)}
    assert every - set(means(metric)) == UNDEFINED.get(metric, set())


@pytest.mark.parametrize(
    ("metric", "task", "margin"),
    [("image_auroc", "image", 8.0), ("pixel_auroc", "pixel", 8.0), ("pixel_pro", "pixel", 8.0)],
)
def test_anomalyclip_is_above_clip(metric: str, task: str, margin: float) -> None:
    found = means(metric)
    mean = {method: fmean(found[method, name] for name in sets(task)) for method in ("clip", "anomalyclip")}
    assert mean["anomalyclip"] > mean["clip"] + margin
