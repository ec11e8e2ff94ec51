"""Grids against the values of the tables, their marks, and what the paper profile adds."""

from dataclasses import replace
from pathlib import Path

from pipeline.report import Sources
from pipeline.report.grids import Grid, grids
from pipeline.tables.aggregate import entry_means
from pipeline.tables.paper import PAPER_TABLES
from pipeline.tables.published import published_table
from tests.tables.make import ABLATION_EXPECTED, ablation_run, frame


def by_name(sources: Sources) -> dict[str, Grid]:
    return {grid.name: grid for grid in grids(sources)}


def test_the_tables_that_the_run_fills(sources: Sources) -> None:
    assert list(by_name(sources)) == [
        "table1-image",
        "table1-pixel",
        "table2-image",
        "table2-pixel",
        "figure5-image",
        "figure5-pixel",
    ]


def test_numbers_are_those_of_the_csv_table(sources: Sources) -> None:
    values = PAPER_TABLES[0].values(sources.means, sources.expected, sources.profile)
    wanted = [value.printed or "-" for value in values if value.task == "pixel"]
    grid = by_name(sources)["table1-pixel"]
    assert [cell.text for row in grid.rows for cell in row.cells] == wanted
    assert grid.groups == (("CLIP", 2), ("CLIP-AC", 2), ("AnomalyCLIP", 2))
    assert [row.label for row in grid.rows] == ["BTAD", "SDD", "Average"]
    assert [row.average for row in grid.rows] == [False, False, True]


def test_the_best_and_second_best_of_a_row_are_marked(sources: Sources) -> None:
    for row in by_name(sources)["table1-image"].rows:
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
    means = entry_means(frame(rows, tmp_path), ABLATION_EXPECTED)
    grid = by_name(replace(sources, expected=ABLATION_EXPECTED, means=means))["table4"]
    assert [row.label for row in grid.rows] == ["Base", "+ T1", "+ T2", "+ T3"]
    assert grid.groups == (("MVTec AD", 4), ("VisA", 4))
    assert [cell.text for cell in grid.rows[0].cells] == ["50.5"] * 8
    assert [cell.text for cell in grid.rows[2].cells] == ["-"] * 8
    assert [{cell.rank for cell in row.cells} for row in grid.rows] == [{0}, {2}, {0}, {1}]


def test_a_gap_says_why_and_numbers_lead_on(sources: Sources) -> None:
    grid = by_name(sources)["table2-pixel"]
    gap = next(cell for row in grid.rows for cell in row.cells if cell.text == "-")
    assert "onerror" in gap.note
    assert {cell.link for cell in grid.rows[0].cells} == {"#/subset/endo/colon"}
    (first, *_) = by_name(sources)["table1-image"].rows
    assert {cell.link for cell in first.cells} == {"#/data/btad/image_auroc", "#/data/btad/image_ap"}


def test_published_numbers_stand_in_the_paper_profile_only(sources: Sources) -> None:
    assert not any(cell.published for grid in grids(sources) for row in grid.rows for cell in row.cells)
    paper = by_name(replace(sources, profile="paper"))
    known = {(it.method, it.metric): it.percent for it in published_table(1) if it.dataset == "btad"}
    own = paper["table1-pixel"].rows[0].cells
    assert own[0].published == f"{known['clip', 'pixel_auroc']:.1f}"
    assert own[-1].published == f"{known['anomalyclip', 'pixel_pro']:.1f}"
    assert not any(cell.published for row in paper["figure5-image"].rows for cell in row.cells)
