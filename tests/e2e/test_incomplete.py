"""A run that really lacks cells: every table, figure and page that stands on them says so, and no other."""

import csv
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipeline.cli import main
from pipeline.datasets import prepare_dataset
from pipeline.params import load_params
from pipeline.tables import read_outcome, write_means
from tests.execution.running import evaluate
from tests.project import Project

LACKING = {
    "table1": "3 of 12",  # methods x (3 + 1) subsets
    "table2": "3 of 6",
    "subsets/btad": "3 of 9",
    "subsets/headct": "3 of 3",
}
WHOLE = ("subsets/sdd", "subsets/endo")
DAMAGED, UNPREPARED = "headct/brain: its content at 112 pixels is not what was prepared", "btad/03: "


@pytest.fixture
def incomplete(trained: Project) -> Project:
    """A bit of HeadCT's prepared images has flipped, and a subset of BTAD could not be prepared."""
    images = next(Path("shards/miniature/headct").rglob("images-*"))
    content = bytearray(images.read_bytes())
    content[len(content) // 2] ^= 1
    images.write_bytes(content)
    next(Path("data/btad").rglob("03/ground_truth/*/*")).unlink()
    prepare_dataset(load_params(), "btad")
    return trained


def zsad(*arguments: str) -> str:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    return result.output


def test_what_stands_on_missing_cells_says_so(incomplete: Project) -> None:
    summary = evaluate()
    assert summary.counts() == {"run": 12, "reused": 0, "failed": 6}
    assert summary.lines()[-1].endswith("incomplete")
    zsad("tables")
    zsad("report")
    texts = {name: content.decode() for name, content in incomplete.files("results/miniature/tables").items()}
    for name, count in LACKING.items():
        reason = UNPREPARED if name in ("table1", "subsets/btad") else DAMAGED
        for suffix in (".md", ".tex", ".html"):
            text = texts[f"{name}{suffix}"].replace(r"\allowbreak{}", "")
            assert text.count(f"INCOMPLETE: {count} cells without a result.") == 1, name
            told = "Without a result: " if suffix == ".tex" else "INCOMPLETE"
            assert reason in text.split(told, 1)[1].split("\n", 1)[0], name
        assert reason in texts[f"{name}.csv"]
    assert "INCOMPLETE: 3 of 15 cells" in texts["pixel_auroc.svg"]
    for name in WHOLE:
        assert not any("INCOMPLETE" in texts[f"{name}{suffix}"] for suffix in (".md", ".tex", ".html"))
    assert "INCOMPLETE: 3 of 12 cells" in zsad("tables", "table1")
    figure = incomplete.folder / "report/miniature/figures/score_distributions.svg"
    assert "INCOMPLETE: 6 of 15 cells" in figure.read_text()  # Endo has no image level
    page = (incomplete.folder / "report/miniature/report.html").read_text()
    # The page, its tables of averages and of all metrics.
    assert page.count("INCOMPLETE: 6 of 18 cells without a result.") == 3
    assert page.count("INCOMPLETE: 3 of 12 cells without a result.") == 2  # Table 1 in two parts


def test_a_mean_over_what_is_left_is_no_mean(incomplete: Project) -> None:
    evaluate()
    zsad("tables")
    tables = incomplete.folder / "results/miniature/tables"
    with (tables / "table1.csv").open() as file:
        lines = list(csv.DictReader(file))
    known = {(line["dataset"], line["value"] != "") for line in lines}
    assert known == {("btad", False), ("sdd", True), ("(average)", False)}
    assert all(line["note"] for line in lines if not line["value"])
    with (tables / "subsets" / "btad.csv").open() as file:
        known = {(line["subset"], line["value"] != "") for line in csv.DictReader(file)}
    assert {("01", True), ("02", True), ("03", False), ("(mean)", False)} <= known
    assert ("(mean)", True) not in known
    write_means(read_outcome(load_params()), incomplete.folder / "means")
    industrial, medical = (
        json.loads((incomplete.folder / "means" / domain / "clip.json").read_text())
        for domain in ("industrial", "medical")
    )
    assert industrial["image_auroc"] is None
    assert medical["image_auroc"] is None  # HeadCT alone has it
    assert medical["pixel_auroc"] is not None  # Endo alone has it
