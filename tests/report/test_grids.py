"""Grids against the CSV form of their table, their marks, and what the paper profile adds."""

import csv
import io
from dataclasses import replace
from pathlib import Path

from pipeline.report import Sources
from pipeline.report.grids import Grid, grids
from pipeline.report.overview import averages
from pipeline.tables import build_tables
from pipeline.tables.values import csv_text
from tests.tables.make import ABLATION_EXPECTED, ablation_run, frame


def by_name(sources: Sources) -> dict[str, Grid]:
    return {grid.name: grid for table in sources.tables for grid in grids(table, sources)}


def printed(sources: Sources, table: str) -> list[str]:
    """What the CSV form says, in its order."""
    (own,) = (it for it in sources.tables if it.name == table)
    return [line["printed"] or "-" for line in csv.DictReader(io.StringIO(csv_text(own)))]


def test_the_tables_that_the_run_fills(sources: Sources) -> None:
    assert list(by_name(sources)) == ["table1-1", "table1-2", "table2-1", "table2-2", "figure5"]


def test_numbers_are_those_of_the_csv_table(sources: Sources) -> None:
    made = by_name(sources)
    own = [made["table1-1"], made["table1-2"]]
    assert [cell.text for it in own for row in it.rows for cell in row.cells] == printed(sources, "table1")
    assert own[1].groups == (("CLIP", 2), ("CLIP-AC", 2), ("AnomalyCLIP", 2))
    assert own[1].columns == ("AUROC", "PRO") * 3
    assert own[1].title.endswith(": pixel level")
    assert [row.label for row in own[1].rows] == ["BTAD", "SDD", "Average"]
    assert [row.detail for row in own[1].rows] == ["C 3", "C 1", ""]
    assert [row.average for row in own[1].rows] == [False, False, True]


def test_a_table_of_single_numbers_has_no_groups(sources: Sources) -> None:
    grid = by_name(sources)["figure5"]
    assert grid.groups == ()
    assert grid.columns == ("image AUROC", "image AP", "pixel AUROC", "PRO (200 steps)")
    assert [row.label for row in grid.rows] == ["BTAD", "SDD", "HeadCT", "Endo", "Average"]


def test_the_best_and_second_best_of_a_row_are_marked(sources: Sources) -> None:
    for row in by_name(sources)["table1-1"].rows:
        for metric in (0, 1):
            own = row.cells[metric::2]
            order = sorted({float(cell.text) for cell in own}, reverse=True)
            for cell in own:
                place = order.index(float(cell.text)) + 1
                assert cell.rank == (place if place < 3 and place < len(order) else 0)


def test_ablations_have_rows_of_their_own_and_the_best_of_a_column_marked(
    sources: Sources, tmp_path: Path
) -> None:
    rows = ablation_run("base", 0.5) + ablation_run("t1", 0.6) + ablation_run("", 0.8)
    tables = build_tables(frame(rows, tmp_path), ABLATION_EXPECTED, "miniature")
    (grid,) = grids(tables["table4"], replace(sources, expected=ABLATION_EXPECTED))
    assert [row.label for row in grid.rows] == ["Base", "+ T1", "+ T2", "+ T3"]
    assert [width for _, width in grid.groups] == [2, 2, 2, 2]
    assert [cell.text for cell in grid.rows[0].cells] == ["50.5"] * 8
    assert [cell.text for cell in grid.rows[2].cells] == ["-"] * 8
    assert [{cell.rank for cell in row.cells} for row in grid.rows] == [{0}, {2}, {0}, {1}]


def test_a_gap_says_why_and_numbers_lead_on(sources: Sources) -> None:
    grid = by_name(sources)["table2-2"]
    gap = next(cell for row in grid.rows for cell in row.cells if cell.text == "-")
    assert "onerror" in gap.hint
    assert {cell.link for cell in grid.rows[0].cells} == {"#/subset/endo/colon"}
    first = by_name(sources)["table1-1"].rows[0]
    assert {cell.link for cell in first.cells} == {"#/data/btad/image_auroc", "#/data/btad/image_ap"}
    assert first.cells[0].hint.startswith("95 % interval")


def test_averages_are_those_of_the_tables(sources: Sources) -> None:
    (grid,) = grids(averages(sources), sources)
    assert [title for title, _ in grid.groups] == [
        "Industrial, image level",
        "Industrial, pixel level",
        "Medical, image level",
        "Medical, pixel level",
    ]
    industrial = by_name(sources)["table1-1"].rows[-1].cells
    texts = [cell.text for row in grid.rows for cell in row.cells[:2]]
    assert texts == [cell.text for cell in industrial]


def test_published_numbers_stand_in_the_paper_profile_only(sources: Sources, tmp_path: Path) -> None:
    rows = ablation_run("base", 0.5) + ablation_run("", 0.8)
    texts = {}
    for profile in ("miniature", "paper"):
        metrics = frame([replace(row, profile=profile) for row in rows], tmp_path / profile)
        table = build_tables(metrics, ABLATION_EXPECTED, profile)["table4"]
        (grid,) = grids(table, replace(sources, expected=ABLATION_EXPECTED))
        cell = grid.rows[0].cells[0]
        texts[profile] = (cell.published, cell.verdict)
    # Base, MVTec AD, pixel AUROC of the paper's Table 4; one of its subsets alone is another build.
    assert texts == {"miniature": ("", ""), "paper": ("46.8 published", "not comparable")}
