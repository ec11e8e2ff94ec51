"""The CSV form is read back, of this version and of an earlier one."""

import csv
from dataclasses import asdict
from pathlib import Path

import pytest

from pipeline.cells import System
from pipeline.results import ResultsError
from pipeline.tables import Outcome
from pipeline.tables.mean import Mean
from pipeline.tables.model import Number, Row, Section, Table
from pipeline.tables.values import COLUMNS, KEY_COLUMNS, csv_text, read_csv, values

MEAN = Mean(0.5, se=0.01, by_seed=(0.49, 0.51), seeds=(1, 2), retrained=0.02)
NUMBERS = (
    Number(System("anomalyclip", "t2"), "mvtec", "pixel_pro", MEAN, "bottle"),
    Number(System("clip"), "mvtec", "image_ap", Mean(None, "not run")),
)
TABLE = Table(
    "table9", "T", Outcome("miniature", {}, {}), (Section(("a", "b"), (Row(("r",), (NUMBERS,)),), 1),)
)


def test_every_column_of_a_value() -> None:
    first, second = (asdict(value) for value in values(TABLE))
    known = {
        "profile": "miniature",
        "table": "9",
        "task": "pixel",
        "dataset": "mvtec",
        "subset": "bottle",
        "method": "anomalyclip",
        "variant": "t2",
        "metric": "pixel_pro",
        "value": "50.0000",
        "printed": "50.0",
        "se": "1.0000",
        "training_se": "1.4142",
        "low": "48.0400",
        "high": "51.9600",
        "seeds": "1 2",
    }
    assert first == dict.fromkeys(COLUMNS, "") | known
    gap = {"task": "image", "subset": "", "method": "clip", "variant": "", "metric": "image_ap"}
    gap |= {"profile": "miniature", "table": "9", "dataset": "mvtec", "note": "not run"}
    assert second == dict.fromkeys(COLUMNS, "") | gap


def test_a_file_comes_back(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(csv_text(TABLE))
    assert read_csv(tmp_path / "t.csv") == values(TABLE)


def test_a_file_of_an_earlier_version_has_fewer_columns(tmp_path: Path) -> None:
    own = (*KEY_COLUMNS, "value")
    (tmp_path / "t.csv").write_text(f"{','.join(own)}\n{','.join(own)}\n")
    (value,) = read_csv(tmp_path / "t.csv")
    assert asdict(value) == dict.fromkeys(COLUMNS, "") | {name: name for name in own}


@pytest.mark.parametrize("columns", [KEY_COLUMNS, (*KEY_COLUMNS[1:], "value"), (*COLUMNS, "other")])
def test_other_columns_are_refused(tmp_path: Path, columns: tuple[str, ...]) -> None:
    (tmp_path / "t.csv").write_text(",".join(columns) + "\n")
    with pytest.raises(ResultsError, match=r"t\.csv: not a table of this version"):
        read_csv(tmp_path / "t.csv")


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(1)", "'=1", "'plain", "''=1"])
def test_no_name_is_a_formula_of_a_spreadsheet_and_each_comes_back(tmp_path: Path, name: str) -> None:
    number = Number(System("clip"), "mvtec", "image_ap", Mean(None, name), name)
    section = Section(("a", "b"), (Row(("r",), ((number,),)),), 1)
    path = tmp_path / "table9.csv"
    path.write_text(csv_text(Table("table9", "T", Outcome("miniature", {}, {}), (section,))))
    with path.open(newline="") as file:
        (line,) = csv.DictReader(file)
    assert not line["subset"].startswith(("=", "+", "-", "@"))
    assert not line["note"].startswith(("=", "+", "-", "@"))
    (value,) = read_csv(path)
    assert (value.subset, value.note) == (name, name)


def test_numbers_below_zero_stay_numbers() -> None:
    assert "-1.0" in csv_text(TABLE) or ",-" not in csv_text(TABLE)


@pytest.mark.parametrize("more", ["", ",", ",more,and,more"])
def test_a_line_with_other_cells_than_the_header_is_refused(tmp_path: Path, more: str) -> None:
    path = tmp_path / "table9.csv"
    path.write_text(f"{','.join(COLUMNS)}\nminiature,9{more}{',' * len(COLUMNS) if more else ''}\n")
    with pytest.raises(ResultsError, match=r"table9\.csv, line 2: not as many cells as its header"):
        read_csv(path)
