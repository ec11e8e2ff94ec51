"""Methods published since: their numbers as data, their tables beside the paper's, their verdicts."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from statistics import fmean

import pytest

from pipeline.cells import System
from pipeline.results import CellRow
from pipeline.tables import Table, build_tables
from pipeline.tables.published import PRINTED_NAMES, SINCE, published_since
from pipeline.tables.values import csv_text, values

from .make import outcome
from .paper_run import EXPECTED, _row, paper_rows

LOGGED = {
    "mvtec",
    "visa",
    "btad",
    "dtd_synthetic",
    "dagm",
    "isic",
    "cvc_clinicdb",
    "cvc_colondb",
    "kvasir",
    "brainmri",
    "br35h",
}


def logged_rows(points: float = 0.0) -> list[CellRow]:
    """AF-CLIP as its authors' log has it, every value moved by some points."""
    shares: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    for value in published_since():
        if value.method == "af_clip" and value.subset:
            shares[value.dataset, value.subset][value.metric] = min(1, max(0, (value.percent + points) / 100))
    return [
        _row(System("af_clip"), dataset, subset, metrics, 111)
        for (dataset, subset), metrics in shares.items()
    ]


def built(folder: Path, rows: Sequence[CellRow]) -> dict[str, Table]:
    return build_tables(outcome(folder, [*paper_rows(), *rows], EXPECTED, "paper"))


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Table]:
    return built(tmp_path_factory.mktemp("since"), logged_rows())


def told(table: Table, method: str) -> list[dict[str, str]]:
    return [line for line in map(asdict, values(table)) if line["method"] == method]


def test_the_log_covers_every_subset_of_eleven_sets() -> None:
    values = [it for it in published_since() if it.method == "af_clip"]
    assert {it.dataset for it in values} == LOGGED
    for dataset in LOGGED:
        assert {it.subset for it in values if it.dataset == dataset} == {"", *EXPECTED[dataset].subsets}


def test_the_logs_means_are_those_of_its_subsets() -> None:
    by_place: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    for it in published_since():
        if it.method == "af_clip":
            by_place[it.dataset, it.metric][it.subset] = it.percent
    for percents in by_place.values():
        mean = percents.pop("")
        assert mean == pytest.approx(fmean(percents.values()), abs=2e-4)


def test_every_value_says_where_it_is_from_and_how_it_stands_to_the_rule() -> None:
    for it in published_since():
        assert (it.track == "main") == (it.method in SINCE)
        assert it.method not in PRINTED_NAMES
        assert it.protocol in ({"mvtec", "visa", "own"} if it.track == "main" else {"none"})
        assert it.chosen_on_target in {"yes", "no", "unknown"}
        assert it.build_name
    (auroc,) = [
        it
        for it in published_since()
        if (it.method, it.dataset, it.subset, it.metric) == ("af_clip", "mvtec", "", "pixel_auroc")
    ]
    assert (auroc.percent, auroc.source, auroc.epochs_rule) == (92.3419, "authors' log", "last")


def test_glocalclips_values_are_those_of_its_table() -> None:
    """Its printed means; medical sets are measured with what was tuned on medical ones."""
    values = [it for it in published_since() if it.method == "glocalclip"]
    assert {it.chosen_on_target for it in values} == {"yes"}
    medical = {"headct", "brainmri", "br35h", "isic", "cvc_colondb", "cvc_clinicdb", "kvasir", "endo", "tn3k"}
    assert {it.dataset for it in values if it.protocol == "own"} == medical
    assert {it.dataset for it in values if it.protocol == "mvtec"} == {it.dataset for it in values} - medical
    printed = {"image_auroc": 87.4, "image_ap": 90.0, "pixel_auroc": 95.3, "pixel_pro": 83.9}
    for metric, mean in printed.items():
        industrial = [it.percent for it in values if it.metric == metric and it.dataset not in medical]
        assert len(industrial) == 6
        assert round(fmean(industrial), 1) == mean


def test_the_papers_tables_stay_the_papers(tables: dict[str, Table], tmp_path: Path) -> None:
    for name in ("table1", "table2"):
        assert [system.method for system in tables[name].outcome.means] == list(PRINTED_NAMES)
    for name in ("since_industrial", "since_medical"):
        assert [system.method for system in tables[name].outcome.means] == [*PRINTED_NAMES, "af_clip"]
    alone = built(tmp_path, [])
    assert not [name for name in alone if name.startswith("since")]
    for name in ("table1", "table2"):
        assert csv_text(alone[name]) == csv_text(tables[name])


def test_a_rerun_has_a_verdict_on_each_of_the_eleven_sets(tables: dict[str, Table]) -> None:
    found: dict[str, set[str]] = {}
    for name in ("since_industrial", "since_medical"):
        for line in told(tables[name], "af_clip"):
            if line["verdict"]:
                found.setdefault(line["dataset"], set()).add(line["verdict"])
    assert found == {dataset: {"reproduced"} for dataset in LOGGED}
    by_subset = [line for line in told(tables["subsets/btad"], "af_clip") if line["verdict"]]
    assert len(by_subset) == 4 * 7  # three subsets and their mean, all metrics
    assert {line["verdict"] for line in by_subset} == {"reproduced"}


def test_another_result_and_another_auxiliary_set_are_told_apart(tmp_path: Path) -> None:
    lower = built(tmp_path / "lower", logged_rows(-5.0))
    verdicts = {
        line["metric"]: line["verdict"] for line in told(lower["since_medical"], "af_clip") if line["printed"]
    }
    assert verdicts["image_auroc"] == "differs"
    # Trainings are known to differ by more in PRO, and not known to in the others.
    assert set(verdicts.values()) == {"differs", "within retrainings", "needs three seeds"}
    on_visa = [replace(row, auxiliary="visa", protocol="visa") for row in logged_rows()]
    other = built(tmp_path / "visa", on_visa)
    told_of_visa = {line["verdict"] for line in told(other["since_medical"], "af_clip") if line["printed"]}
    assert told_of_visa == {"not comparable"}
