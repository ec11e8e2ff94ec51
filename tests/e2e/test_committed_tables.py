"""What the miniature tables of `baseline/` must say for the profile to mean anything."""

import csv
from statistics import fmean

import pytest

from pipeline import catalog
from tests.project import ROOT

TABLES = ROOT / "baseline" / "miniature"
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
    assert set(means(metric)) == {(method, dataset) for method in METHODS for dataset in sets(task)}


def test_the_readme_prints_them() -> None:
    text = (ROOT / "README.md").read_text()
    for label, method in (("CLIP", "clip"), ("AnomalyCLIP, seed 111", "anomalyclip")):
        columns = (("pixel_auroc", "pixel"), ("pixel_pro", "pixel"), ("image_auroc", "image"))
        values = [fmean(means(metric)[method, name] for name in sets(task)) for metric, task in columns]
        assert f"| {label} | {' | '.join(f'{value:.1f}' for value in values)} |" in text


@pytest.mark.parametrize(("metric", "margin"), [("pixel_auroc", 8.0), ("pixel_pro", 4.0)])
def test_anomalyclip_localises_better_than_clip(metric: str, margin: float) -> None:
    found = means(metric)
    mean = {
        method: fmean(found[method, name] for name in sets("pixel")) for method in ("clip", "anomalyclip")
    }
    assert mean["anomalyclip"] > mean["clip"] + margin
    if metric == "pixel_auroc":
        assert mean["anomalyclip"] > 70
