"""Both protocols and all metrics: the two tables that a comparison under one rule adds."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.cells import CellKey, System
from pipeline.results import CellResult, CellRow, ResultsError, write_results
from pipeline.results.parquet import read_metrics, read_scores
from pipeline.tables import Outcome, build_tables, expected_sets, outcome_of
from pipeline.tables.all_metrics import f1, threshold
from pipeline.tables.markdown import markdown
from pipeline.tables.model import Table
from pipeline.tables.values import csv_text
from tests.board.make import DATASETS, cells

from .make import GOLDEN

GOLDEN_FILES = ("protocols", "metrics")


def outcome(results: list[CellResult], folder: Path) -> Outcome:
    write_results(results, folder)
    expected = expected_sets(DATASETS)
    return outcome_of(read_metrics(folder / "metrics"), expected, "miniature", folder / "scores")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return outcome(cells(), tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def tables(run: Outcome) -> dict[str, Table]:
    return build_tables(run)


@pytest.mark.parametrize("name", GOLDEN_FILES)
def test_tables_are_those_of_the_golden_files(tables: dict[str, Table], name: str) -> None:
    """After a change that is meant: `python -m tests.tables.test_protocols` makes them anew."""
    assert markdown(tables[name]) == (GOLDEN / f"{name}.md").read_text()
    assert csv_text(tables[name]) == (GOLDEN / f"{name}.csv").read_text()


def test_both_protocols_are_compared_where_they_differ(tables: dict[str, Table]) -> None:
    numbers = tables["protocols"].numbers()
    assert {it.dataset for it in numbers} == {"btad", "headct", "(average)"}
    assert {it.system.method for it in numbers} == {"anomalyclip"}
    first, second, gap = (it for it in numbers if (it.dataset, it.metric) == ("btad", "image_ap"))
    assert (first.system.variant, second.system.variant) == ("", "visa")
    assert gap.mean.value == pytest.approx((second.mean.value or 0) - (first.mean.value or 0))
    assert gap.text.startswith(f"{gap.show(gap.mean.value or 0)} (")


def test_an_interval_is_paired_where_scores_say_what_both_saw(run: Outcome, tmp_path: Path) -> None:
    """The same scores under both protocols: nothing moves, whatever images are drawn."""
    plain = {it.row.key: it for it in cells() if it.row.variant == ""}
    same = [
        it if it.row.variant == "" else replace(plain[it.row.key._replace(variant="")], row=_as(it, plain))
        for it in cells()
    ]
    table = build_tables(outcome(same, tmp_path))["protocols"]
    gaps = [it for it in table.numbers() if it.with_interval and it.dataset == "btad"]
    widths = {it.metric: (it.mean.interval or (0, 0))[1] - (it.mean.interval or (0, 0))[0] for it in gaps}
    assert widths["image_auroc"] == 0
    assert widths["pixel_auroc"] > 0.02  # maps are not kept, so both sides count as independent


def _as(it: CellResult, plain: dict[CellKey, CellResult]) -> CellRow:
    return replace(
        plain[it.row.key._replace(variant="")].row, variant="visa", protocol="visa", cell_key=it.row.cell_key
    )


def test_one_protocol_has_no_such_table(tmp_path: Path) -> None:
    alone = [it for it in cells() if it.row.variant == ""]
    assert "protocols" not in build_tables(outcome(alone, tmp_path))


def test_a_protocol_is_no_other_variant(tables: dict[str, Table]) -> None:
    assert "variants" not in tables


@pytest.mark.parametrize(("column", "other"), [("protocol", "visa"), ("track", "batch")])
def test_two_protocols_or_tracks_never_enter_one_mean(tmp_path: Path, column: str, other: str) -> None:
    change: dict[str, Any] = {column: other}
    mixed = [
        replace(it, row=replace(it.row, **change))
        if (it.row.method, it.row.variant, it.row.subset) == ("anomalyclip", "", "01")
        else it
        for it in cells()
    ]
    with pytest.raises(ResultsError, match=f"anomalyclip: its rows have the {column} .* and "):
        outcome(mixed, tmp_path)


def test_another_track_has_tables_of_its_own_and_no_rank_among_the_others(tmp_path: Path) -> None:
    results = [
        replace(it, row=replace(it.row, track="batch")) if it.row.method == "clip" else it for it in cells()
    ]
    tables = build_tables(outcome(results, tmp_path))
    assert {it.system.method for it in tables["table1"].numbers()} == {"anomalyclip"}
    assert {it.system.method for it in tables["batch/industrial"].numbers()} == {"clip"}
    assert {it.rank for it in tables["batch/industrial"].numbers()} == {0}
    assert tables["batch/industrial"].title.endswith("(batch track)")


def test_a_threshold_lets_no_more_normal_images_through_than_it_says() -> None:
    scores = np.random.default_rng(3).normal(size=173).round(1)  # with ties
    assert (scores > threshold(scores)).mean() <= 0.05
    assert (scores >= threshold(scores)).mean() > 0.05
    assert f1(np.array([1, 1], np.int8), np.array([0.1, 0.2]), 0.0) is None


def test_the_carried_f1_by_hand(run: Outcome, tables: dict[str, Table]) -> None:
    """Of what is tuned on MVTec AD the threshold comes from VisA; on the two sets there is none."""
    assert run.scores is not None
    scores = read_scores(run.scores)
    scores = scores[(scores["method"] == "anomalyclip") & (scores["variant"] == "")]
    normal = scores.loc[(scores["dataset"] == "visa") & (scores["label"] == 0), "score"].sort_values()
    above = normal.iloc[-(int(0.05 * len(normal)) + 1)]
    found = []
    for _, rows in scores[scores["dataset"] == "btad"].groupby("subset"):
        called, true = rows["score"] > above, rows["label"] == 1
        precision, recall = (called & true).sum() / called.sum(), (called & true).sum() / true.sum()
        found.append(2 * precision * recall / (precision + recall))
    values = {
        it.dataset: it.mean.value
        for it in tables["metrics"].numbers()
        if it.metric == "image_f1_carried" and it.system == System("anomalyclip")
    }
    assert values["btad"] == pytest.approx(np.mean(found))
    assert values["mvtec"] is values["visa"] is None


if __name__ == "__main__":
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as scratch:
        built = build_tables(outcome(cells(), Path(scratch)))
    for name in GOLDEN_FILES:
        (GOLDEN / f"{name}.md").write_text(markdown(built[name]))
        (GOLDEN / f"{name}.csv").write_text(csv_text(built[name]))
