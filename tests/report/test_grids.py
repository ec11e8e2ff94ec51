"""Grids against the CSV form of their table, their marks, and what the paper profile adds."""

import csv
import io
from dataclasses import replace
from pathlib import Path

from pipeline.report import Sources
from pipeline.report.grids import Grid, grids, hint, link, published, shown
from pipeline.report.write import averages
from pipeline.tables import Table, build_tables
from pipeline.tables.values import csv_text
from tests.tables.make import ABLATION_EXPECTED, ablation_run, outcome


def tables(sources: Sources) -> dict[str, Table]:
    """Those that the page has grids of."""
    built = build_tables(sources.outcome)
    return {name: table for name, table in built.items() if not name.startswith("subsets/")}


def by_name(sources: Sources) -> dict[str, Grid]:
    return {grid.name: grid for table in tables(sources).values() for grid in grids(table)}


def printed(sources: Sources, table: str) -> list[str]:
    """What the CSV form says, in its order."""
    text = csv_text(tables(sources)[table])
    return [line["printed"] or "-" for line in csv.DictReader(io.StringIO(text))]


def test_the_tables_that_the_run_fills(sources: Sources) -> None:
    assert list(by_name(sources)) == ["table1-1", "table1-2", "table2-1", "table2-2", "metrics", "figure5"]


def test_numbers_are_those_of_the_csv_table(sources: Sources) -> None:
    made = by_name(sources)
    own = [made["table1-1"], made["table1-2"]]
    assert [shown(number) for it in own for row in it.rows for number in row.numbers] == printed(
        sources, "table1"
    )
    assert own[1].groups == (("CLIP", 2), ("CLIP-AC", 2), ("AnomalyCLIP", 2))
    assert own[1].columns == ("AUROC", "PRO") * 3
    assert own[1].title.endswith(": Pixel-level (AUROC, PRO)")
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
            own = row.numbers[metric::2]
            order = sorted({float(shown(number)) for number in own}, reverse=True)
            for number in own:
                place = order.index(float(shown(number))) + 1
                assert number.rank == (place if place < 3 and place < len(order) else 0)


def test_ablations_have_rows_of_their_own_and_the_best_of_a_column_marked(tmp_path: Path) -> None:
    rows = ablation_run("base", 0.5) + ablation_run("t1", 0.6) + ablation_run("", 0.8)
    (grid,) = grids(build_tables(outcome(tmp_path, rows, ABLATION_EXPECTED))["table4"])
    assert [row.label for row in grid.rows] == ["Base", "+ T1", "+ T2", "+ T3"]
    assert [width for _, width in grid.groups] == [2, 2, 2, 2]
    assert [shown(number) for number in grid.rows[0].numbers] == ["50.5"] * 8
    assert [shown(number) for number in grid.rows[2].numbers] == ["-"] * 8
    assert [{number.rank for number in row.numbers} for row in grid.rows] == [{0}, {2}, {0}, {1}]


def test_a_gap_says_why_and_numbers_lead_on(sources: Sources) -> None:
    grid = by_name(sources)["table2-2"]
    gap = next(number for row in grid.rows for number in row.numbers if shown(number) == "-")
    expected = sources.outcome.expected
    assert "onerror" in hint(gap)
    assert {link(number, expected) for number in grid.rows[0].numbers} == {"#/subset/endo/colon"}
    first = by_name(sources)["table1-1"].rows[0]
    routes = {link(number, expected) for number in first.numbers}
    assert routes == {"#/data/btad/image_auroc", "#/data/btad/image_ap"}
    assert hint(first.numbers[0]).startswith("95 % interval")


def test_averages_are_those_of_the_tables(sources: Sources) -> None:
    (table,) = averages(sources.outcome)
    (grid,) = grids(table)
    assert [title for title, _ in grid.groups] == [
        "Industrial, image level",
        "Industrial, pixel level",
        "Medical, image level",
        "Medical, pixel level",
    ]
    industrial = by_name(sources)["table1-1"].rows[-1].numbers
    texts = [shown(number) for row in grid.rows for number in row.numbers[:2]]
    assert texts == [shown(number) for number in industrial]


def test_published_numbers_stand_in_the_paper_profile_only(tmp_path: Path) -> None:
    rows = ablation_run("base", 0.5) + ablation_run("", 0.8)
    texts = {}
    for profile in ("miniature", "paper"):
        own = [replace(row, profile=profile) for row in rows]
        run = outcome(tmp_path / profile, own, ABLATION_EXPECTED, profile)
        (grid,) = grids(build_tables(run)["table4"])
        number = grid.rows[0].numbers[0]
        texts[profile] = (published(number), number.comparison and number.comparison.verdict)
    # Base, MVTec AD, pixel AUROC of the paper's Table 4; one of its subsets alone is another build.
    assert texts == {"miniature": ("", None), "paper": ("46.8 published", "not comparable")}
