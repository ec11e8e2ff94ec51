"""The tables of the review thread: published numbers beside those of a run, and those of the miniature."""

import tempfile
from dataclasses import asdict
from pathlib import Path

import pytest

from pipeline.cells import System
from pipeline.results import CellRow
from pipeline.tables import FORMATS, Table, build_tables
from pipeline.tables.published import published_costs, published_review, published_table
from pipeline.tables.values import values

from .make import ABLATION_EXPECTED, GOLDEN, ablation_run, outcome, renew_golden, write
from .paper_run import EXPECTED, paper_rows, review_values

NUMBERS = (7, 11, 12, 13, 14)
MINIATURE = tuple(f"review{number}{suffix}" for number in NUMBERS for suffix in (".md", ".csv"))
PAPER = tuple(f"paper/review{number}.md" for number in NUMBERS)
OWN = (
    "no_dpam",
    "lambda_1",
    "shared_context",
    "three_attentions",
    "four_attentions",
    "b16plus",
    "h14",
    "dice_only",
    "focal_only",
)
SHARED = ("object_aware", "t2", "global_only")  # with the paper's own ablations


def _miniature() -> list[CellRow]:
    """Every variant, each a point lower than the one before; four attentions lack VisA."""
    variants = ("", *OWN, *SHARED)
    rows = [row for place, it in enumerate(variants) for row in ablation_run(it, 0.9 - 0.01 * place)]
    return [it for it in rows if (it.variant, it.dataset) != ("four_attentions", "visa")]


def _paper(folder: Path) -> dict[str, Table]:
    """What was published, measured; the focal loss alone has moved by four points."""

    def move(system: System, _dataset: str, _metric: str) -> float:
        return -4.0 if system.variant == "focal_only" else 0.0

    expected = {name: EXPECTED[name] for name in ("mvtec", "visa")}
    rows = paper_rows(move, published=review_values)
    return build_tables(outcome(folder, rows, expected, "paper"))


@pytest.fixture(scope="module")
def miniature(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return write(tmp_path_factory.mktemp("review"), _miniature(), ABLATION_EXPECTED)


@pytest.fixture(scope="module")
def paper(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Table]:
    return _paper(tmp_path_factory.mktemp("paper"))


@pytest.mark.parametrize("name", MINIATURE)
def test_tables_of_the_miniature_are_those_of_the_golden_files(miniature: dict[str, str], name: str) -> None:
    """After a change that is meant: `cd tests && python -m tables.test_review` makes them anew."""
    assert miniature[name] == (GOLDEN / name).read_text()


@pytest.mark.parametrize("name", PAPER)
def test_tables_of_the_paper_are_those_of_the_golden_files(paper: dict[str, Table], name: str) -> None:
    assert FORMATS["markdown"](paper[Path(name).stem]) == (GOLDEN / name).read_text()


@pytest.mark.parametrize(("number", "count"), [(7, 14), (11, 8), (12, 12), (13, 3), (14, 8)])
def test_every_published_value_stands_in_its_place(paper: dict[str, Table], number: int, count: int) -> None:
    """Blank places of the thread have no verdict; three attentions are only described there."""
    told = {
        (System(it.method, it.variant), it.dataset, it.metric): asdict(it)
        for it in values(paper[f"review{number}"])
    }
    published = published_review(number)
    assert len(published) == count
    for value in published:
        line = told.pop((value.system, value.dataset, value.metric))
        moved = value.variant == "focal_only"
        assert line["published"] == f"{value.percent:.1f}"
        assert line["source"] == "review thread"
        assert line["verdict"] == ("differs" if moved else "reproduced")
    assert {line["published"] for line in told.values()} == {""}


def test_the_thread_repeats_the_papers_full_model() -> None:
    first = {(it.dataset, it.metric): it.percent for it in published_table(1) if it.method == "anomalyclip"}
    for number in NUMBERS:
        full = [it for it in published_review(number) if not it.variant]
        assert full
        for value in full:
            assert value.percent == first[value.dataset, value.metric], (number, value)


def test_no_variant_of_the_thread_is_among_the_other_variants(miniature: dict[str, str]) -> None:
    assert "variants.md" not in miniature


@pytest.mark.parametrize(
    ("variant", "tables"),
    [
        ("no_dpam", {"review7", "review12"}),
        ("shared_context", {"review11"}),
        ("h14", {"review13"}),
        ("dice_only", {"review14"}),
        ("t2", set()),  # the paper's own, in its Table 4
        ("global_only", set()),
    ],
)
def test_a_table_is_there_once_a_variant_of_its_own_was_run(
    tmp_path: Path, variant: str, tables: set[str]
) -> None:
    rows = [*ablation_run("", 0.9), *ablation_run(variant, 0.8)]
    built = build_tables(outcome(tmp_path, rows, ABLATION_EXPECTED))
    assert {name for name in built if name.startswith("review")} == tables


def test_costs_of_the_thread() -> None:
    costs = published_costs()
    assert costs[System("clip")] == (13.23, None)
    assert costs[System("coop")] == (None, 12.25)
    assert costs[System("anomalyclip")] == (8.92, 13.71)
    assert len(costs) == 5


if __name__ == "__main__":
    renew_golden(_miniature(), ABLATION_EXPECTED, MINIATURE)
    with tempfile.TemporaryDirectory() as scratch:
        built = _paper(Path(scratch))
    for name in PAPER:
        (GOLDEN / name).write_text(FORMATS["markdown"](built[Path(name).stem]))
