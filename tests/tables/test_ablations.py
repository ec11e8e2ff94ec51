import csv
import re
from pathlib import Path

import pytest

from pipeline.results import CellRow
from pipeline.tables import compare_tables

from .make import ABLATION_EXPECTED, GOLDEN, ablation_run, failed, files_of, renew_golden, row, write

GOLDEN_FILES = tuple(
    f"{name}{suffix}" for name in ("table4", "table5", "figure5", "figure6") for suffix in (".md", ".csv")
)


def _rows() -> list[CellRow]:
    """Every ablation, but: t1 lacks VisA, a subset of t2 failed, global_only and kk were not run."""
    whole = [
        *ablation_run("", 0.9, pixel_pro=0.8),
        *ablation_run("base", 0.5),
        *ablation_run("t1", 0.5, pixel_auroc=0.6),
        *ablation_run("t2", 0.85, image_ap=0.95),
        *ablation_run("untrained", 0.6),
        *ablation_run("local_only", 0.9, pixel_pro=0.8, image_auroc=0.84),
        *ablation_run("object_aware", 0.87, pixel_auroc=0.92),
        *ablation_run("qq", 0.89, seed=7),
    ]
    gone = {("t1", "candle"), ("t1", "pcb1"), ("t2", "cable"), ("object_aware", "pcb1")}
    return [
        *(it for it in whole if (it.variant, it.subset) not in gone),
        failed("mvtec", "cable", "anomalyclip", "worker died", variant="t2"),
        row("mvtec", "bottle", "clip", 0.99),
    ]


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return write(tmp_path_factory.mktemp("ablations"), _rows(), ABLATION_EXPECTED)


@pytest.mark.parametrize("name", GOLDEN_FILES)
def test_tables_are_those_of_the_golden_files(tables: dict[str, str], name: str) -> None:
    """After a change that is meant: `cd tests && python -m tables.test_ablations` makes them anew."""
    assert tables[name] == (GOLDEN / name).read_text()


def test_every_file_is_marked_as_miniature(tables: dict[str, str]) -> None:
    for name in GOLDEN_FILES:
        if name.endswith(".md"):
            assert tables[name].splitlines()[2].startswith("> **MINIATURE PROFILE"), name
        else:
            assert {line.split(",")[0] for line in tables[name].splitlines()[1:]} == {"miniature"}, name


def test_variants_have_no_column_in_tables_1_and_2_and_none_in_the_overview(tables: dict[str, str]) -> None:
    assert "| Data set | C | CLIP | AnomalyCLIP |\n" in tables["table1.md"]
    for name in ("table1.csv", "table2.csv"):
        assert {line["variant"] for line in csv.DictReader(tables[name].splitlines())} == {""}


def test_the_same_results_give_the_same_bytes(tables: dict[str, str], tmp_path: Path) -> None:
    assert write(tmp_path, _rows()[::-1], ABLATION_EXPECTED) == tables


@pytest.mark.parametrize(
    ("variant", "files"),
    [
        ("", set()),
        ("no_dpam", set()),
        ("base", files_of("table4")),
        ("t2", files_of("table4")),
        ("local_only", files_of("table5")),
        ("untrained", files_of("table5")),
        ("object_aware", {*files_of("figure5"), "figure5.svg"}),
        ("kk", {*files_of("figure6"), "figure6.svg"}),
    ],
)
def test_a_table_is_there_where_a_variant_of_it_was_run(
    tmp_path: Path, variant: str, files: set[str]
) -> None:
    rows = [row("headct", "headct", "anomalyclip", 0.9, variant=it) for it in sorted({"", variant})]
    written = write(tmp_path, rows, {"headct": ABLATION_EXPECTED["headct"]})
    assert {name for name in written if re.match(r"(table[345]|figure)", name)} == files


def test_what_an_earlier_run_left_is_deleted(tmp_path: Path) -> None:
    write(tmp_path, _rows(), ABLATION_EXPECTED)
    (tmp_path / "tables" / "notes.txt").write_text("of somebody else")
    again = write(tmp_path, [it for it in _rows() if not it.variant], ABLATION_EXPECTED)
    left = {
        path.relative_to(tmp_path / "tables").as_posix()
        for path in (tmp_path / "tables").rglob("*")
        if path.is_file()
    }
    assert left == {*again, "notes.txt"}
    assert not any(name.startswith(("table4", "table5", "figure")) for name in again)


def test_variants_without_the_method_itself(tmp_path: Path) -> None:
    """A gain over something needs something that gains."""
    texts = write(tmp_path, ablation_run("object_aware", 0.8), ABLATION_EXPECTED)
    lines = list(csv.DictReader(texts["figure5.csv"].splitlines()))
    assert {line["value"] for line in lines} == {""}
    assert "- [1] AnomalyCLIP: not run\n" in texts["figure5.md"]


def test_a_run_without_the_papers_two_data_sets(tmp_path: Path) -> None:
    own = {"headct": ABLATION_EXPECTED["headct"]}
    texts = write(tmp_path, [row("headct", "headct", "anomalyclip", 0.5, variant="t1")], own)
    assert "no data set of this table" in texts["table4.md"]
    assert len(texts["table4.csv"].splitlines()) == 1


def test_gains_are_differences_of_means_and_average_over_data_sets(tables: dict[str, str]) -> None:
    lines = csv.DictReader(tables["figure5.csv"].splitlines())
    gains = {(it["dataset"], it["metric"]): (it["value"], it["printed"]) for it in lines}
    assert gains["mvtec", "image_auroc"] == ("3.0000", "+3.0")
    assert gains["mvtec", "pixel_auroc"] == ("-1.5000", "-1.5")
    assert gains["headct", "pixel_auroc"] == ("", "")
    assert gains["visa", "image_auroc"] == ("", "")


def test_the_average_gain(tmp_path: Path) -> None:
    """3 points on MVTec AD, 1 on VisA, -2 on HeadCT; where a data set has no pixel task it does not count."""
    gain = {"mvtec": 0.03, "visa": 0.01, "headct": -0.02}
    rows = [
        row(dataset, subset, "anomalyclip", 0.7 + (gain[dataset] if not variant else 0), variant=variant)
        for variant in ("", "object_aware")
        for dataset, record in ABLATION_EXPECTED.items()
        for subset in record.subsets
    ]
    text = write(tmp_path, rows, ABLATION_EXPECTED)["figure5.md"]
    assert "| MVTec AD | 2 | +3.0 | +3.0 | +3.0 | +3.0 |" in text
    assert "| HeadCT | 1 | -2.0 | -2.0 | - | - |" in text
    assert "| Average |  | +0.7 | +0.7 | +2.0 | +2.0 |" in text
    assert "No value" not in text


def test_a_moved_gain_is_named(tmp_path: Path) -> None:
    def run(share: float) -> list[CellRow]:
        return ablation_run("", 0.8) + ablation_run("object_aware", 0.7, image_ap=share)

    write(tmp_path / "a", run(0.7), ABLATION_EXPECTED)
    write(tmp_path / "b", run(0.6), ABLATION_EXPECTED)
    names = [str(it) for it in compare_tables(tmp_path / "a" / "tables", tmp_path / "b" / "tables", 0.05)]
    gain = "miniature figure5: headct, anomalyclip, object_aware, image_ap: 10.0000 -> 20.0000 (+10.0000)"
    assert f"not judged: {gain}" in names


def test_a_sweep_stands_below_its_method_in_the_order_of_its_numbers(tmp_path: Path) -> None:
    rows = [
        *ablation_run("", 0.9),
        *ablation_run("base", 0.5),
        *ablation_run("context_16", 0.8),
        *ablation_run("context_4", 0.7),
    ]
    table = write(tmp_path, rows, ABLATION_EXPECTED)["variants.md"]
    labels = [line.split("|")[1:3] for line in table.splitlines() if line.startswith("| AnomalyCLIP")]
    order = ["as it is", "context_4", "context_16"]
    assert [label[1].strip() for label in labels] == order * len(ABLATION_EXPECTED)
    assert "## HeadCT" in table  # whatever ran on whatever data set
    assert "| AnomalyCLIP | context_4 | (70.5, 70.5) |" in table


def test_no_table_of_other_variants_without_one(tables: dict[str, str]) -> None:
    assert "variants.md" not in tables


if __name__ == "__main__":
    renew_golden(_rows(), ABLATION_EXPECTED, GOLDEN_FILES)
