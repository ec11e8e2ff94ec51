"""What stands on top of tables, in which order systems stand there, and what they are called."""

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.cells import System
from pipeline.results import ResultsError
from pipeline.tables import Outcome
from pipeline.tables.outcome import in_order
from pipeline.tables.verdicts import references

from .make import EXPECTED, failed, full_run, outcome, row, write

SHARES = {"bottle": 0.9, "cable": 0.6, "01": 0.5, "headct": 0.8, "isic": 0.7}


def test_the_mark_stands_on_every_profile_but_the_paper() -> None:
    assert Outcome("paper", {}, {}).marks() == []
    assert Outcome("miniature", {}, {}).marks() == [
        "MINIATURE PROFILE: drawn data and a tiny CLIP; not comparable with the paper."
    ]
    assert Outcome("mine", {}, {}).marks() == ["MINE PROFILE: not comparable with the paper."]


def test_a_whole_run_is_not_incomplete(tmp_path: Path) -> None:
    rows = [*full_run("clip", SHARES), row("btad", "01", "clip", 0.2, variant="bicubic")]
    whole = outcome(tmp_path, rows)
    assert whole.incomplete is None  # a variant is not meant for every data set
    assert whole.only([System("coop")]).incomplete is None  # nor asked for


def test_cells_are_counted_and_reasons_named(tmp_path: Path) -> None:
    rows = [
        row("mvtec", "bottle", "clip", 0.9),
        failed("mvtec", "cable", "clip", "x.png: damaged"),
        row("btad", "01", "clip", 0.9),
        failed("mvtec", "cable", "clip", "x.png: damaged", variant="bicubic"),
        failed("btad", "01", "anomalyclip", "weights are missing", seed=1),
        row("btad", "01", "anomalyclip", 0.5, seed=2),
    ]
    found = outcome(tmp_path, rows)
    part = found.only(found.means, ["mvtec", "btad"])
    assert part.incomplete == (
        "INCOMPLETE: 8 of 11 cells without a result. "
        "clip on mvtec/cable and 1 more: failed (x.png: damaged); "
        "clip[bicubic] on mvtec/bottle and 4 more: missing; and other reasons."
    )
    assert part.marks()[1] == part.incomplete
    assert part.marks(short=True)[1] == "INCOMPLETE: 8 of 11 cells without a result."


def test_every_format_of_what_lacks_cells_says_so_and_nothing_else_does(tmp_path: Path) -> None:
    rows = [it for it in full_run("clip", SHARES) if it.dataset != "btad"]
    texts = write(tmp_path, [*rows, failed("btad", "01", "clip", "x_1.png & y: damaged")])
    lacking = {name for name in texts if name.startswith(("table1.", "metrics.", "subsets/btad."))}
    marked = {name for name, text in texts.items() if "INCOMPLETE: 1 of" in text}
    assert marked == {"pixel_auroc.svg", *(name for name in lacking if not name.endswith(".csv"))}
    for name in lacking:
        assert "failed (x" in texts[name], name


def test_the_papers_methods_first_then_others_by_name_and_variants_by_their_numbers(tmp_path: Path) -> None:
    wanted = [
        System("clip"),
        System("anomalyclip"),
        System("anomalyclip", "layers_8"),
        System("anomalyclip", "layers_12"),
        System("anomalyclip", "t1"),
        System("a_lab"),
        System("b_lab"),
        System("b_lab", "x"),
    ]
    assert in_order(reversed(wanted)) == wanted
    rows = [row("btad", "01", system.method, 0.5, variant=system.variant) for system in reversed(wanted)]
    found = outcome(tmp_path, rows)
    assert list(found.means) == wanted
    assert found.methods == [System("clip"), System("anomalyclip"), System("a_lab"), System("b_lab")]
    assert [(it.method, it.variant) for it in found.rows] == sorted(map(tuple, wanted))


def test_a_system_that_says_nothing_goes_by_the_papers_name_or_its_own() -> None:
    empty = Outcome("miniature", EXPECTED, {})
    assert empty.title(System("clip_ac")) == "CLIP-AC"
    assert empty.title(System("anomalyclip", "t1")) == "AnomalyCLIP (t1)"
    assert empty.title(System("a_lab", "x")) == "a_lab (x)"


@pytest.mark.parametrize("title", ["My Method", "CLIP"])
def test_a_method_of_somebody_elses_stands_in_tables_by_its_own_title(tmp_path: Path, title: str) -> None:
    """Also its variants, and those that were not run; a title of another method is told apart."""
    rows = [
        *full_run("clip", SHARES, title="CLIP"),
        *(replace(it, title=title) for it in full_run("mine", SHARES)),
        row("btad", "01", "mine", 0.5, variant="x", title=title),
    ]
    told = {"My Method": "My Method", "CLIP": "CLIP, mine"}[title]
    texts = write(tmp_path, rows)
    assert f"| Data set | C | CLIP | {told} |\n" in texts["table1.md"]
    assert f"\n## {told} (x)\n" in texts["subsets/btad.md"]
    assert f"| {told} | as it is |" in texts["variants.md"]
    assert texts["table1.csv"].count(",mine,") == 12


def test_a_part_has_its_systems_in_their_order_and_those_that_were_not_run(tmp_path: Path) -> None:
    run = outcome(tmp_path, full_run("clip", SHARES) + full_run("coop", SHARES))
    part = run.only([System("vand"), System("coop")], ["isic", "btad"])
    assert list(part.means) == [System("vand"), System("coop")]
    assert part.divisions == {"industrial": ["btad"], "medical": ["isic"]}
    assert part.means[System("vand")].over_subsets("btad", "image_ap").missing == "not run"
    assert part.means[System("coop")].over_subsets("btad", "image_ap").value == SHARES["01"]


def test_a_smoke_run_is_marked_and_never_mixed(tmp_path: Path) -> None:
    few = outcome(tmp_path, [row("btad", "01", "clip", 0.9, limit=2)])
    assert "SMOKE RUN: at most 2 images of each subset; its numbers mean nothing." in few.marks(short=True)
    assert few.label == "miniature, limit 2"
    smoke = replace(few, profile="paper").label
    assert (len(references("table1", "paper")) > 0, references("table1", smoke)) == (True, {})
    with pytest.raises(ResultsError, match="results of a smoke run stand beside others"):
        outcome(tmp_path, [row("btad", "01", "clip", 0.9, limit=2), row("isic", "isic", "clip", 0.9)])


def test_what_is_left_out_is_named(tmp_path: Path) -> None:
    rows = [row("mvtec", subset, "clip", 0.9) for subset in ("bottle", "cable")]
    part = replace(outcome(tmp_path, rows), left_out=frozenset({"btad", "isic"}))
    assert "LEFT OUT: BTAD, ISIC: not on the machine of this run." in part.marks()
    assert part.incomplete is not None
    assert "clip on btad/01 and 1 more: left out" in part.incomplete
    assert "headct" in part.incomplete
