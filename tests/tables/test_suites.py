"""A suite beside the paper's: tables and averages of its own, and no byte of the paper's tables changes."""

import json
from pathlib import Path

import pandas as pd
import pytest

from pipeline import catalog
from pipeline.report.write import averages
from pipeline.results import CellRow
from pipeline.tables.write import write_means, write_tables

from .make import EXPECTED, EXTENDED, EXTENDED_EXPECTED, full_run, outcome, row, write

SHARES = {"bottle": 0.9, "cable": 0.6, "01": 0.5, "headct": 0.8, "isic": 0.7}
PAPERS = full_run("clip", SHARES) + full_run("anomalyclip", SHARES)
BOTH = EXPECTED | EXTENDED_EXPECTED
MEASURED = {"real_iad": 0.3, "mvtec_ad_2": 0.4, "ksdd2": 0.5, "elpv": 0.8, "cvc_300": 0.9}  # others 0.6


def extended(method: str) -> list[CellRow]:
    return [
        row(name, subset, method, MEASURED.get(name, 0.6))
        for name, it in EXTENDED_EXPECTED.items()
        for subset in it.subsets
    ]


ROWS = [*PAPERS, *extended("clip"), *extended("anomalyclip")]


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return write(tmp_path_factory.mktemp("both"), ROWS, BOTH)


def test_the_tables_of_the_paper_are_what_they_were_to_the_byte(
    texts: dict[str, str], tmp_path: Path
) -> None:
    alone = write(tmp_path, PAPERS)
    assert {"table1.md", "table2.tex", "metrics.html", "subsets/btad.csv", "pixel_auroc.svg"} <= set(alone)
    assert {name: texts[name] for name in alone} == alone


@pytest.mark.parametrize("suffix", [".md", ".tex", ".csv", ".html"])
def test_the_suite_has_its_tables_in_every_format(texts: dict[str, str], suffix: str) -> None:
    of_suite = {name for name in texts if name.startswith(f"{EXTENDED}/") and name.endswith(suffix)}
    assert of_suite == {f"{EXTENDED}/{table}{suffix}" for table in ("industrial", "medical", "metrics")}
    assert "KolektorSDD2" in texts[f"{EXTENDED}/industrial{suffix}"] or suffix == ".csv"
    assert f"subsets/elpv{suffix}" in texts


def test_averages_are_over_the_suite_alone(texts: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "industrial.csv"
    path.write_text(texts[f"{EXTENDED}/industrial.csv"])
    frame = pd.read_csv(path)
    average = frame[(frame["dataset"] == "(average)") & (frame["method"] == "clip")].set_index("metric")
    assert average.loc["image_auroc", "value"] == pytest.approx(50)  # of 30, 40, 50 and 80
    assert average.loc["pixel_pro", "value"] == pytest.approx(40)  # ELPV has no masks
    assert set(frame["dataset"]) == {"real_iad", "mvtec_ad_2", "ksdd2", "elpv", "(average)"}


def test_a_run_without_one_of_the_closed_list_has_no_average_and_says_why(
    texts: dict[str, str], tmp_path: Path
) -> None:
    titles = [catalog.record(name).paper_name for name in catalog.names(EXTENDED)]
    assert f"Suite {EXTENDED}, a closed list: {', '.join(titles)}.\n" in texts[f"{EXTENDED}/medical.md"]
    assert "Zero-shot anomaly detection on medical data sets (suite" in texts[f"{EXTENDED}/medical.md"]
    rows = [it for it in ROWS if it.dataset != "bmad_liver"]
    less = write(tmp_path, rows, {name: it for name, it in BOTH.items() if name != "bmad_liver"})
    assert "This run has no BMAD Liver, and no average without them." in less[f"{EXTENDED}/medical.md"]
    assert "Average" not in less[f"{EXTENDED}/medical.md"]
    assert "| Average |" in less[f"{EXTENDED}/industrial.md"]
    assert f"Average, {EXTENDED}/medical" not in less[f"{EXTENDED}/metrics.md"]
    assert f"Average, {EXTENDED}/industrial" in less[f"{EXTENDED}/metrics.md"]


def test_tables_of_a_suite_that_a_later_run_has_not_are_deleted(tmp_path: Path) -> None:
    write(tmp_path, ROWS, BOTH)
    tables = tmp_path / "tables"
    assert list(tables.glob(f"{EXTENDED}/*")) != []
    kept = write_tables(outcome(tmp_path / "later", PAPERS), tables)
    assert sorted(path for path in tables.rglob("*.*") if path.is_file()) == kept


def test_dvc_sees_the_means_of_the_suite_beside_the_papers(tmp_path: Path) -> None:
    out = tmp_path / "means"
    paths = write_means(outcome(tmp_path, ROWS, BOTH), out)
    means = {path.relative_to(out).as_posix(): json.loads(path.read_text()) for path in paths}
    assert set(means) == {
        f"{division}/{method}.json"
        for division in ("industrial", "medical", f"{EXTENDED}/industrial", f"{EXTENDED}/medical")
        for method in ("clip", "anomalyclip")
    }
    assert means[f"{EXTENDED}/medical/clip.json"]["pixel_auroc"] == pytest.approx(0.675)  # 3 of 60, one of 90


def test_a_suite_is_a_closed_list() -> None:
    """Whoever adds to a list gives it another name: numbers are printed under this one."""
    assert catalog.suites() == ("paper", "extended-2026.12")
    assert catalog.names("extended-2026.12") == (
        "real_iad", "mvtec_ad_2", "ksdd2", "elpv",
        "bmad_brain", "bmad_liver", "bmad_resc", "bmad_oct2017", "bmad_chest", "bmad_histopathology",
        "cvc_300",
    )  # fmt: skip
    assert catalog.suites_of("elpv") == ("extended-2026.12",)
    assert catalog.suites_of("mvtec") == ("paper",)
    assert catalog.suites_of("colon_auxiliary") == ()


def test_the_report_of_a_run_without_a_whole_division_has_no_average(tmp_path: Path) -> None:
    rows = [it for it in ROWS if it.dataset == "elpv"]
    alone = outcome(tmp_path, rows, {"elpv": EXTENDED_EXPECTED["elpv"]})
    assert alone.divisions == {}
    assert averages(alone)[0].sections[0].rows == ()
