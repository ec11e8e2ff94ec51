"""What the terminal shows of a table: the same texts as the other formats, no mark lost to rich's markup."""

import io
import re
from collections import Counter
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
from rich.console import Console

from pipeline.results import CellRow
from pipeline.tables import Table, build_tables
from pipeline.tables.markdown import terminal

from .make import EXPECTED, failed, full_run, outcome, row
from .paper_run import EXPECTED as PAPER
from .paper_run import paper_rows

SHARES = {"bottle": 0.9, "cable": 0.6, "01": 0.5, "headct": 0.8, "isic": 0.7}


def shown(table: Table, width: int = 400) -> str:
    """The lines of a terminal, without the spaces at their ends."""
    console = Console(width=width, file=io.StringIO())
    with console.capture() as captured:
        console.print(terminal(table))
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def built(rows: list[CellRow], folder: Path) -> dict[str, Table]:
    return build_tables(outcome(folder, rows))


def test_title_mark_legend_and_what_a_method_was_tuned_on(tmp_path: Path) -> None:
    tables = built(full_run("anomalyclip", SHARES), tmp_path)
    text = shown(tables["subsets/mvtec"])
    assert text.startswith("MVTec AD, by subset\nMINIATURE PROFILE: drawn data")
    assert "Percent; the last row is the plain mean over subsets.\n" in text
    assert "Auxiliary set: btad; mean over seeds: 111.\n" in text
    assert "\n- Builds (normal/anomalous test images, fingerprint): MVTec AD 2/2 `" in text


@pytest.mark.parametrize("profile", ["miniature", "paper"])
def test_no_number_is_broken(tmp_path: Path, profile: str) -> None:
    names = ("btad", "visa")
    rows = [replace(it, profile=profile) for it in paper_rows() if it.dataset in names]
    tables = build_tables(outcome(tmp_path, rows, {name: PAPER[name] for name in names}, profile))
    for name, width in product(("table1", "table4", "subsets/btad"), (80, 100, 120)):
        text = shown(tables[name], width)
        assert max(map(len, text.splitlines())) <= width
        numbers = re.compile(r"(?<!\S)\(?[\d.–-]+\d(?:, [\d.–-]+\))?")
        assert Counter(numbers.findall(text)) >= Counter(numbers.findall(shown(tables[name])))


def test_a_label_gives_way_to_a_number(tmp_path: Path) -> None:
    name = "a_subset_with_a_name_that_is_far_longer_than_any_terminal_is_wide"
    expected = {"btad": replace(EXPECTED["btad"], subsets=(name,))}
    rows = [row("btad", name, "clip", 0.987)]
    text = shown(build_tables(outcome(tmp_path, rows, expected))["subsets/btad"], 40)
    assert max(map(len, text.splitlines())) <= 40
    assert text.count("98.7") >= 2


def test_reasons_stand_below_however_they_are_written(tmp_path: Path) -> None:
    rows = [*full_run("clip", SHARES)[1:], failed("mvtec", "bottle", "clip", "[bold]broken[/bold] [link=x]")]
    text = shown(built(rows, tmp_path)["table1"])
    assert "(-, -) [1]\n" in text
    assert "[1] 1 of 2 subsets (bottle): failed ([bold]broken[/bold] [link=x])" in text


def test_a_table_without_rows_says_so(tmp_path: Path) -> None:
    rows = [row("btad", "01", "clip", 0.5, profile="like")]
    tables = build_tables(outcome(tmp_path, rows, {"btad": EXPECTED["btad"]}, "like"))
    assert "This run has no data set of this table." in shown(tables["table2"])
    assert "LIKE PROFILE" in shown(tables["table2"])


def test_another_build_is_marked_in_the_line_of_verdicts(tmp_path: Path) -> None:
    rows = [
        replace(it, n_normal=99) if it.dataset == "sdd" else it
        for it in paper_rows()
        if it.method == "clip" and it.dataset == "sdd"
    ]
    tables = build_tables(outcome(tmp_path, rows, {"sdd": PAPER["sdd"]}, "paper"))
    text = shown(tables["table1"])
    assert "not comparable [c1]\n" in text
    assert "[c1] sdd: " in text
