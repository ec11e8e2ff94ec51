import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.results import CellRow, ResultsError
from pipeline.tables import Difference, compare_tables, count_values, write_tables
from pipeline.tables.compare import _moved

from .make import failed, full_run, outcome, row

SHARES = {"bottle": 0.9, "cable": 0.6, "01": 0.5, "headct": 0.8, "isic": 0.7}


def _tables(rows: list[CellRow], folder: Path) -> Path:
    write_tables(outcome(folder, rows), folder / "tables")
    return folder / "tables"


def test_equal_tables_do_not_differ(tmp_path: Path) -> None:
    rows = full_run("clip", SHARES)
    assert compare_tables(_tables(rows, tmp_path / "a"), _tables(rows, tmp_path / "b"), 0.0) == []


def test_a_moved_value_is_named_wherever_it_is_printed(tmp_path: Path) -> None:
    before = _tables(full_run("clip", SHARES), tmp_path / "a")
    rows = [
        row("btad", "01", "clip", 0.5, pixel_pro=0.52) if it.dataset == "btad" else it
        for it in full_run("clip", SHARES)
    ]
    differences = compare_tables(before, _tables(rows, tmp_path / "b"), 0.05)
    assert [difference.name for difference in differences] == [
        "miniature table 1: btad, clip, pixel_pro",
        "miniature table 1: (average), clip, pixel_pro",
        "miniature table metrics: btad, clip, pixel_pro",
        "miniature table metrics: (average), industrial, clip, pixel_pro",
        "miniature table subsets: btad, 01, clip, pixel_pro",
        "miniature table subsets: btad, (mean), clip, pixel_pro",
    ]
    assert str(differences[0]) == (
        "not judged: miniature table 1: btad, clip, pixel_pro: 50.0000 -> 52.0000 (+2.0000)"
    )


def test_every_value_of_either_side_is_counted_once(tmp_path: Path) -> None:
    whole = full_run("clip", SHARES)
    before = _tables(whole, tmp_path / "a")
    after = _tables([it for it in whole if it.dataset != "btad"], tmp_path / "b")
    lines = [line for path in before.rglob("*.csv") for line in csv.DictReader(path.read_text().splitlines())]
    assert count_values(before, before) == sum(bool(line["value"]) for line in lines) > 60
    assert count_values(before, after) == count_values(after, before) == count_values(before, before)


def test_a_value_that_appears_or_goes_is_a_difference(tmp_path: Path) -> None:
    whole = full_run("clip", SHARES)
    broken = [failed("btad", "01", "clip") if it.dataset == "btad" else it for it in whole]
    before, after = _tables(whole, tmp_path / "a"), _tables(broken, tmp_path / "b")
    gone = compare_tables(before, after, 100)
    assert str(gone[0]) == "gone: miniature table 1: btad, clip, image_auroc: 50.0000 -> no value"
    back = [Difference(it.name, it.after, it.before, "new") for it in gone]
    assert compare_tables(after, before, 100) == back


def test_a_table_that_is_only_on_one_side_is_a_difference(tmp_path: Path) -> None:
    before, after = (_tables(full_run("clip", SHARES), tmp_path / side) for side in "ab")
    (after / "table2.csv").unlink()
    names = [difference.name for difference in compare_tables(before, after, 0.05)]
    assert names[0] == "miniature table 2: headct, clip, image_auroc"
    assert names == [difference.name for difference in compare_tables(after, before, 0.05)]


def test_the_tolerance_is_in_printed_points_and_includes_its_edge(tmp_path: Path) -> None:
    before, after = (
        _tables([row("btad", "01", "clip", share)], tmp_path / str(share)) for share in (0.5, 0.5005)
    )
    assert compare_tables(before, after, 0.05) == []
    cells = [it for it in compare_tables(before, after, 0.0499) if "btad, 01" in it.name]
    assert len(cells) == 9


def test_a_folder_without_tables_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="no tables here"):
        compare_tables(tmp_path, tmp_path, 0.05)


def test_a_folder_with_other_files_alone_has_no_tables(tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    _tables(full_run("clip", SHARES), tmp_path / "far" / "below")
    with pytest.raises(ResultsError, match="no tables here"):
        compare_tables(tmp_path, tmp_path, 0.05)


def test_a_csv_that_is_no_table_among_tables_is_named(tmp_path: Path) -> None:
    tables = _tables(full_run("clip", SHARES), tmp_path)
    (tables / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ResultsError, match=r"other\.csv: not a table of this version"):
        compare_tables(tables, tables, 0.05)


values = st.none() | st.floats(0, 100)


@given(values, values, st.floats(0, 1))
def test_differing_is_symmetric_and_no_value_differs_from_itself(
    before: float | None, after: float | None, tolerance: float
) -> None:
    assert _moved(before, after, tolerance) == _moved(after, before, tolerance)
    assert not _moved(before, before, tolerance)
