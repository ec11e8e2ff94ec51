"""Table 3: methods tuned on the ColonDB-based auxiliary set beside the same tuned by the common rule."""

import csv
from pathlib import Path

import pytest

from pipeline.catalog import record
from pipeline.results import CellRow

from .make import GOLDEN, MEDICAL_EXPECTED, failed, renew_golden, row, write

GOLDEN_FILES = ("table3.md", "table3.csv")
EXPECTED = {name: MEDICAL_EXPECTED[name] for name in ("headct", "covid19", "isic", "cvc_colondb", "endo")}


def tuned(dataset: str, method: str, variant: str, share: float, **changes: object) -> CellRow:
    """A row of the only subset of a medical data set."""
    (subset,) = MEDICAL_EXPECTED[dataset].subsets
    training = {"seed": 111, "auxiliary": "colon_auxiliary" if variant else "mvtec"}
    return row(dataset, subset, method, share, variant=variant, **(training | changes))


def _rows() -> list[CellRow]:
    """ColonDB is not for the medical variants, a cell of theirs failed, and VAND was not tuned anew."""
    return [
        *(tuned(name, "vand", "", 0.6 + 0.01 * place) for place, name in enumerate(EXPECTED)),
        *(tuned(name, "anomalyclip", "", 0.8) for name in EXPECTED),
        *(tuned(name, "anomalyclip", "medical", 0.85) for name in ("headct", "isic", "endo")),
        failed("covid19", "chest", "anomalyclip", "worker died", variant="medical"),
    ]


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return write(tmp_path_factory.mktemp("tunings"), _rows(), EXPECTED)


@pytest.mark.parametrize("name", GOLDEN_FILES)
def test_tables_are_those_of_the_golden_files(tables: dict[str, str], name: str) -> None:
    """After a change that is meant: `cd tests && python -m tables.test_tunings` makes them anew."""
    assert tables[name] == (GOLDEN / name).read_text()


def test_what_is_not_known_about_the_auxiliary_set_stands_below(tables: dict[str, str]) -> None:
    unknown = record("colon_auxiliary").unconfirmed
    assert unknown
    table, _, below = tables["table3.md"].partition("- VAND: `vand`")
    assert all(text in below and text not in table for text in unknown)


def test_a_data_set_that_was_tuned_on_has_no_row(tables: dict[str, str]) -> None:
    lines = list(csv.DictReader(tables["table3.csv"].splitlines()))
    assert {line["dataset"] for line in lines} == {"headct", "covid19", "isic", "endo", "(average)"}
    assert "CVC-ColonDB" in tables["table2.md"]


def test_a_variant_has_no_section_where_it_was_not_meant_to_run(tables: dict[str, str]) -> None:
    assert "## AnomalyCLIP (medical)" in tables["subsets/endo.md"]
    assert "## AnomalyCLIP (medical)" in tables["subsets/covid19.md"]
    assert "(medical)" not in tables["subsets/cvc_colondb.md"]
    assert "No value" not in tables["subsets/cvc_colondb.md"]


def test_without_such_a_variant_there_is_no_table_3(tmp_path: Path) -> None:
    written = write(tmp_path, [it for it in _rows() if not it.variant], EXPECTED)
    assert not [name for name in written if name.startswith("table3")]


if __name__ == "__main__":
    renew_golden(_rows(), EXPECTED, GOLDEN_FILES)
