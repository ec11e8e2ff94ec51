"""The folder of a report: which files, stable bytes, hostile names, figures with words."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from pipeline.cli import main
from pipeline.report import Sources, write_report
from pipeline.report.figures import report_figures
from pipeline.tables.aggregate import SystemMeans
from tests.report.make import HOSTILE, folder_bytes

FIGURES = ["pixel_auroc", "figure3", "figure4", "figure5", "score_distributions", "training"]


def test_every_figure_is_there_for_print_and_screen(report: Path) -> None:
    names = {path.name for path in (report / "figures").iterdir()}
    assert names == {f"{name}{suffix}" for name in FIGURES for suffix in (".svg", ".png")}
    for name in FIGURES:
        assert "<svg" in (report / "figures" / f"{name}.svg").read_text()
        assert min(Image.open(report / "figures" / f"{name}.png").size) > 200


def test_every_figure_has_words_for_those_who_do_not_see_it(sources: Sources) -> None:
    figures = list(report_figures(sources))
    assert [figure.name for figure in figures] == FIGURES
    for figure in figures:
        assert len(figure.alt) > 60
        assert len(figure.caption) > 20
    assert "BTAD" in figures[2].alt
    assert "3 to 2" in figures[-1].alt


def test_a_run_of_another_track_alone_has_its_tables_and_no_figure_of_methods(
    sources: Sources, tmp_path: Path
) -> None:
    run = sources.outcome
    means = {
        system: SystemMeans(system, [replace(row, track="batch") for row in own.rows], run.expected)
        for system, own in run.means.items()
    }
    batch = replace(sources, outcome=replace(run, means=means))
    assert [figure.name for figure in report_figures(batch)] == ["pixel_auroc"]
    write_report(batch, tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert "Average over data sets (batch track)" in page
    assert "AnomalyCLIP (batch track)" in page


def test_the_command_writes_the_same_bytes_again_and_strays_go(
    run_folder: Path, report: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(run_folder)
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "figure9.svg").write_text("old")
    result = CliRunner().invoke(main, ["report", "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[0] == str(tmp_path / "report.html")
    assert folder_bytes(tmp_path) == folder_bytes(report)


def test_the_page_says_what_run_it_is_of(sources: Sources, tmp_path: Path) -> None:
    write_report(replace(sources, run={}), tmp_path)
    assert "This is the copy that DVC keeps" in (tmp_path / "report.html").read_text()
    run = {
        "git": {"commit": 40 * "a", "changed": False},
        "finished": "2026-11-30T12:22:10+00:00",
        "machine": {"platform": "Linux-6", "processors": 2, "python": "3.13.1"},
    }
    write_report(replace(sources, run=run), tmp_path)
    told = "Run: revision aaaaaaaaaaaa; finished 2026-11-30 12:22 UTC; machine Linux-6, 2 processors, "
    assert (tmp_path / "report.html").read_text().count(told) == 2  # below the title, and below every page


def test_names_and_messages_cannot_become_markup(report: Path) -> None:
    page = (report / "report.html").read_text()
    assert HOSTILE not in page
    assert "<img src=x" not in page
    assert "&lt;img src=x onerror" in page
    assert page.count("<script") == page.count("</script>")


def test_what_stands_between_backticks_is_code(report: Path) -> None:
    page = (report / "report.html").read_text()
    assert re.search(r"<li>Builds [^<]*BTAD 15/18 <code>[0-9a-f]{12}</code>", page)


def test_the_page_asks_for_nothing_outside_itself(report: Path) -> None:
    page = (report / "report.html").read_text()
    assert "default-src 'none'" in page
    outside = set(re.findall(r"https?://[^\s\"'<)]+", page)) - {"http://www.w3.org/2000/svg"}
    assert not outside


def test_a_miniature_says_so_and_shows_no_published_number(report: Path) -> None:
    page = (report / "report.html").read_text()
    assert "MINIATURE PROFILE" in page
    assert " published<br>" not in page
