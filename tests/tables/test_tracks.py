"""Tracks: a row that sees more than one image enters no table, average, figure or verdict of the others."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.cells import System
from pipeline.report.write import averages
from pipeline.results import OTHER_TRACKS, CellRow
from pipeline.tables import Outcome, build_tables, compare_tables
from pipeline.tables.figures import dot_plots
from pipeline.tables.html import html
from pipeline.tables.markdown import markdown
from pipeline.tables.values import csv_text
from pipeline.tables.write import table_texts, write_means, write_tables

from .make import EXPECTED, failed, full_run, outcome
from .paper_run import EXPECTED as PAPER_EXPECTED
from .paper_run import _row, paper_rows

SHARES = {
    subset: 0.5 + 0.01 * number for number, subset in enumerate(("bottle", "cable", "01", "headct", "isic"))
}
BEST = dict.fromkeys(SHARES, 0.99)
MAIN = [
    *full_run("clip", SHARES),
    *full_run("anomalyclip", {it: share + 0.1 for it, share in SHARES.items()}),
]


def others(track: str, **changes: Any) -> list[CellRow]:
    """A method that is better than all, of another track."""
    return full_run("musc", BEST, track=track, protocol="none", title="MuSc", **changes)


@pytest.mark.parametrize("track", OTHER_TRACKS)
@pytest.mark.parametrize("finished", [True, False], ids=["ok", "failed"])
def test_no_table_average_or_figure_of_the_main_track_moves(
    tmp_path: Path, track: str, finished: bool
) -> None:
    rows = others(track)
    if not finished:
        rows = [failed(it.dataset, it.subset, "musc", seed=None, track=track, title="MuSc") for it in rows]
    alone, beside = outcome(tmp_path / "alone", MAIN), outcome(tmp_path / "beside", [*MAIN, *rows])
    texts = table_texts(beside)
    assert {name: text for name, text in texts.items() if not name.startswith(f"{track}/")} == table_texts(
        alone
    )
    assert {name for name in texts if name.startswith(f"{track}/")}
    for one, other in zip(dot_plots(alone.main), dot_plots(beside.main), strict=True):
        assert one.panels == other.panels
    assert markdown(averages(beside)[0]) == markdown(averages(alone)[0])
    assert [list(it.outcome.means) for it in averages(beside)[1:]] == [[System("musc")]]
    means = [write_means(it, tmp_path / f"means{number}") for number, it in enumerate((alone, beside))]
    old, new = (
        {
            path.relative_to(tmp_path / f"means{number}").as_posix(): json.loads(path.read_text())
            for path in found
        }
        for number, found in enumerate(means)
    )
    assert old == {name: value for name, value in new.items() if not name.startswith(f"{track}/")}
    assert {name.partition("/")[0] for name in new.keys() - old.keys()} == {track}


@pytest.mark.parametrize("track", OTHER_TRACKS)
def test_its_own_tables_say_what_they_are(tmp_path: Path, track: str) -> None:
    tables = build_tables(outcome(tmp_path, [*MAIN, *others(track), *others(track, variant="wide")]))
    own = {name: it for name, it in tables.items() if name.startswith(f"{track}/")}
    assert {f"{track}/industrial", f"{track}/medical", f"{track}/metrics", f"{track}/subsets/btad"} <= set(
        own
    )
    for table in own.values():
        assert {it.system.method for it in table.numbers()} == {"musc"}
        assert table.title.endswith(f"({track} track)")
        for text in (markdown(table), html(table)):
            assert f"{track.capitalize()} track: " in text
            assert "in no other table, average or rank" in text
    assert {it.system.variant for it in own[f"{track}/industrial"].numbers()} == {"", "wide"}


def test_a_run_of_another_track_alone_has_no_rank_in_the_papers_tables(tmp_path: Path) -> None:
    run = outcome(tmp_path / "rows", others("batch"))
    assert run.main.means == {}
    assert "table1" not in build_tables(run)
    assert [path.name for path in write_tables(run, tmp_path / "out") if path.suffix == ".svg"]


def _written(folder: Path, rows: list[CellRow]) -> Path:
    write_tables(outcome(folder / "rows", rows), folder / "tables")
    return folder / "tables"


def test_a_comparison_judges_each_track_by_itself(tmp_path: Path) -> None:
    """Holm's bound is over the values of one track; more values of another one move no verdict."""

    def moved(name: str, rows: Callable[[float], list[CellRow]]) -> dict[str, tuple[Any, ...]]:
        before, after = (_written(tmp_path / f"{name}{points}", rows(points)) for points in (0.0, 0.02))
        return {it.name: (it.verdict, it.visible, it.level) for it in compare_tables(before, after, 0.05)}

    def main(points: float) -> list[CellRow]:
        spread: dict[str, Any] = {"image_auroc_se": 0.004, "image_auroc_low": 0.4, "image_auroc_high": 0.6}
        return [replace(it, image_auroc=it.image_auroc + points, **spread) for it in MAIN if it.image_auroc]

    def both(points: float) -> list[CellRow]:
        return [
            *main(points),
            *(replace(it, image_ap=it.image_ap and it.image_ap - points) for it in others("batch")),
        ]

    alone, beside = moved("alone", main), moved("beside", both)
    assert alone
    assert alone == {name: told for name, told in beside.items() if "batch/" not in name}
    assert [name for name in beside if "batch/industrial" in name]


def test_published_numbers_of_a_track_stand_in_its_tables_alone(tmp_path: Path) -> None:
    from pipeline.tables.published import published_since

    shares: dict[tuple[str, str], dict[str, float]] = {}
    for value in published_since():
        if value.method == "musc" and value.subset:
            assert (value.track, value.protocol, value.chosen_on_target) == ("batch", "none", "yes")
            shares.setdefault((value.dataset, value.subset), {})[value.metric] = value.percent / 100
    rows = [
        replace(
            _row(System("musc"), dataset, subset, metrics, 0),
            track="batch",
            protocol="none",
            auxiliary=None,
            seed=None,
        )
        for (dataset, subset), metrics in shares.items()
    ]
    tables = build_tables(outcome(tmp_path, [*paper_rows(), *rows], PAPER_EXPECTED, "paper"))
    for name in ("industrial", "subsets/mvtec", "subsets/btad", "subsets/visa"):
        told = [it.comparison for it in tables[f"batch/{name}"].numbers() if it.comparison]
        assert {it.verdict for it in told} == {"reproduced"}
        assert {it.published.method for it in told} == {"musc"}
    assert not [
        name for name, it in tables.items() if "musc" in csv_text(it) and not name.startswith("batch/")
    ]


def test_titles_name_the_track_where_tracks_stand_side_by_side(tmp_path: Path) -> None:
    run: Outcome = outcome(tmp_path, [*MAIN, *others("batch")], EXPECTED)
    assert [run.named(system) for system in run.means] == ["CLIP", "AnomalyCLIP", "MuSc (batch track)"]
