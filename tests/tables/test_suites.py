"""A suite beside the paper's: tables and averages of its own, and no byte of the paper's tables changes."""

import json
from pathlib import Path

import pandas as pd
import pytest

from pipeline import catalog
from pipeline.results import CellRow
from pipeline.tables.write import write_means, write_tables

from .make import EXPECTED, EXTENDED, EXTENDED_EXPECTED, full_run, outcome, row, write

SHARES = {"bottle": 0.9, "cable": 0.6, "01": 0.5, "headct": 0.8, "isic": 0.7}
PAPERS = full_run("clip", SHARES) + full_run("anomalyclip", SHARES)
HERE = ("ksdd2", "elpv", "bmad_brain", "cvc_300")
BOTH = EXPECTED | {name: EXTENDED_EXPECTED[name] for name in HERE}


def extended(method: str, shares: dict[str, float]) -> list[CellRow]:
    return [row(name, EXTENDED_EXPECTED[name].subsets[0], method, share) for name, share in shares.items()]


ROWS = [
    *PAPERS,
    *extended("clip", {"ksdd2": 0.5, "elpv": 0.7, "bmad_brain": 0.6, "cvc_300": 0.9}),
    *extended("anomalyclip", {"ksdd2": 0.8, "elpv": 0.4, "bmad_brain": 0.9, "cvc_300": 0.7}),
]


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
    assert average.loc["image_auroc", "value"] == pytest.approx(60)  # of 50 and 70
    assert average.loc["pixel_pro", "value"] == pytest.approx(50)  # ELPV has no masks
    assert set(frame["dataset"]) == {"ksdd2", "elpv", "(average)"}


def test_what_of_the_closed_list_a_run_lacks_is_said(texts: dict[str, str]) -> None:
    text = texts[f"{EXTENDED}/medical.md"]
    titles = [catalog.record(name).paper_name for name in catalog.names(EXTENDED)]
    assert f"Suite {EXTENDED}, a closed list: {', '.join(titles)}." in text
    assert "This run has no Real-IAD, MVTec AD 2, BMAD Liver, BMAD RESC" in text
    assert "Zero-shot anomaly detection on medical data sets (suite extended-2026.12)" in text


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
    assert means[f"{EXTENDED}/medical/clip.json"]["pixel_auroc"] == pytest.approx(0.75)


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
