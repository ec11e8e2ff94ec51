"""The tables of a run: which there are, and the folder that the tables stage writes and `zsad diff` compares.

Stage, command and nightly flow write the same tables, complete or not. Beside them stands what DVC shows and
compares (`write_means`).
"""

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from pipeline import catalog
from pipeline.catalog import PAPER
from pipeline.files import write_json, write_text
from pipeline.params import Params
from pipeline.results.parquet import read_metrics
from pipeline.tables.ablations import REVIEW_TABLES, table4, table5, variants
from pipeline.tables.all_metrics import all_metrics
from pipeline.tables.expected import expected_sets
from pipeline.tables.figures import dot_plots
from pipeline.tables.gains import figure5, sensitivity
from pipeline.tables.html import html
from pipeline.tables.latex import latex
from pipeline.tables.legend import TRACK_LINES, build_lines, rule_lines, suite_line
from pipeline.tables.markdown import markdown
from pipeline.tables.model import Table
from pipeline.tables.outcome import MAIN_TRACK, Outcome, outcome_of
from pipeline.tables.paper import (
    figure6,
    industrial_table,
    medical_table,
    own_table,
    since_industrial,
    since_medical,
    subsets_table,
    table1,
    table2,
    table3,
    track_industrial,
    track_medical,
)
from pipeline.tables.values import csv_text, is_table

FORMATS: Final[Mapping[str, Callable[[Table], str]]] = {
    "markdown": markdown,
    "latex": latex,
    "csv": csv_text,
    "html": html,
}
"""What a table can be written as, by name."""

_SUFFIXES: Final = {"markdown": ".md", "latex": ".tex", "csv": ".csv", "html": ".html"}
_TO_ROWS: Final = "From a number here to its rows and to code, weights and data: docs/results.md."
_TABLES: Final[tuple[Callable[[Outcome], Table | None], ...]] = (
    table1,
    table2,
    since_industrial,
    since_medical,
    table3,
    own_table,
    all_metrics,
    sensitivity,
    table4,
    table5,
    figure5,
    figure6,
    *REVIEW_TABLES,
    variants,
)
_SUITE_TABLES: Final = (industrial_table, medical_table, all_metrics, sensitivity, variants)
_TRACK_TABLES: Final = (track_industrial, track_medical, own_table, all_metrics)
_MEANS: Final = ("image_auroc", "image_ap", "pixel_auroc", "pixel_pro")  # the paper's metrics

KEPT: Final = Path("results/last-run")
"""The tables of the last run, of whichever profile: what DVC keeps of each experiment."""
MEANS: Final = Path("results/means")
"""Likewise what `dvc metrics` shows; the short path keeps its rows within 100 columns."""


def read_outcome(params: Params) -> Outcome:
    """The outcome of the run that `params` describe, as far as its cells are finished.

    Raises:
        ZsadError: there are no rows, or a file is damaged; the message names it.
    """
    names = [*params.every_dataset, *params.left_out]
    if params.left_out:  # back to where they stand
        names.sort(key=[*catalog.shipped_names(), *names].index)
    folder, expected = params.results, expected_sets(names, params.builds)
    outcome = outcome_of(read_metrics(folder / "metrics"), expected, params.profile, folder / "scores")
    return replace(outcome, left_out=frozenset(params.left_out))


def build_tables(outcome: Outcome) -> dict[str, Table]:
    """Every table that a run fills, by name, such as `table1` or `subsets/<data set>`.

    A suite other than the paper's has tables of its own, such as `extended-2026.12/medical`, and so has a
    track other than the main one, such as `batch/industrial`: nothing there is ranked or averaged among
    others.
    """
    tables = [table for track, part in outcome.tracks.items() for table in _of_track(track, part)]
    return {
        table.name: replace(
            table,
            legend=(*table.legend, *rule_lines(table.outcome)),
            provenance=(*build_lines(table.outcome), _TO_ROWS),
        )
        for table in tables
    }


def _of_track(track: str, outcome: Outcome) -> Iterator[Table]:
    for suite, part in outcome.suites.items():
        makers = _TRACK_TABLES if track != MAIN_TRACK else _TABLES if suite == PAPER else _SUITE_TABLES
        found = (table for make in makers if (table := make(part)) is not None)
        yield from (in_track(it, track) for it in _of_suite(suite, found, outcome))
    yield from (in_track(subsets_table(dataset, outcome), track) for dataset in outcome.expected)


def in_track(table: Table, track: str) -> Table:
    """`table` as that of a track: one other than the main one is in its name and title, and said on top."""
    if track == MAIN_TRACK:
        return table
    return replace(
        table,
        name=f"{track}/{table.name}",
        title=f"{table.title} ({track} track)",
        lead=(TRACK_LINES[track], *table.lead),
    )


def _of_suite(suite: str, tables: Iterable[Table], outcome: Outcome) -> Iterator[Table]:
    if suite == PAPER:
        yield from tables
        return
    for table in tables:
        yield replace(
            table,
            name=f"{suite}/{table.name}",
            title=f"{table.title} (suite {suite})",
            legend=(*table.legend, suite_line(suite, outcome.expected)),
        )


def write_tables(outcome: Outcome, out: Path) -> list[Path]:
    """Write every table of a run; the same results give the same bytes.

    Args:
        outcome: of the run.
        out: folder of tables, such as `results/miniature/tables`.

    Returns:
        The files, sorted: the tables of `build_tables` as `.md`, `.tex`, `.csv` and `.html`, and
        `pixel_auroc.svg`; figures whose variants were run also as `.svg`, all of the paper's suite. Tables
        that an earlier run left in their place are deleted.
    """
    texts = {out / name: text for name, text in table_texts(outcome).items()}
    for path, text in texts.items():
        write_text(path, text)
    drawings = {out / f"{plot.name}.svg": plot for plot in dot_plots(outcome.main.suites[PAPER])}
    for path, plot in drawings.items():
        plot.draw(path)
    _delete_others(out, {*texts, *drawings})
    return sorted([*texts, *drawings])


def table_texts(outcome: Outcome) -> dict[str, str]:
    """What `write_tables` writes but for figures: the name of each file below its folder to its text."""
    return {
        f"{name}{_SUFFIXES[kind]}": write(table)
        for name, table in build_tables(outcome).items()
        for kind, write in FORMATS.items()
    }


def write_means(outcome: Outcome, out: Path) -> list[Path]:
    """Write what `dvc metrics` shows and compares: `<division>/<system>.json`, the paper's metrics.

    Plain means over the data sets of the division that have the metric, shares rounded to four decimals; null
    where one of these has no value; `limit` where only so many images a subset were evaluated. A variant has
    a file where it was run, a method one for each division; a track other than the main one has a folder.
    Files that an earlier run left are deleted.
    """
    files = {
        out / ("" if track == MAIN_TRACK else track) / division / f"{'.'.join(filter(None, system))}.json": {
            metric: _rounded(own.over_datasets(datasets, metric).value) for metric in _MEANS
        }
        for track, part in outcome.tracks.items()
        for division, datasets in part.divisions.items()
        for system, own in part.means.items()
        if not system.variant or any(own.ran_on(dataset) for dataset in datasets)
    }
    for path, means in files.items():
        write_json(path, means if outcome.limit is None else {**means, "limit": outcome.limit})
    for stray in set(out.rglob("*.json")) - set(files):
        stray.unlink()
    return sorted(files)


def write_run_tables(params: Params) -> list[Path]:
    """Write every table of what is finished; see `write_tables`.

    Raises:
        ZsadError: see `read_outcome`.
    """
    return write_tables(read_outcome(params), params.results / "tables")


def keep_tables(tables: Path) -> None:
    """Put the values in the folder `tables` into `KEPT`, in place of those of the run before."""
    shutil.rmtree(KEPT, ignore_errors=True)
    for path in sorted(tables.rglob("*.csv")):
        target = KEPT / path.relative_to(tables)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _delete_others(out: Path, written: set[Path]) -> None:
    """Each table below `out` that is not among `written`, its CSV file last."""
    for suffix in _SUFFIXES.values():
        for path in (out / "subsets").glob(f"*{suffix}"):
            if path not in written:
                path.unlink()
    for table in out.rglob("*.csv"):
        if table not in written and is_table(table):
            for suffix in (".svg", ".md", ".tex", ".html", ".csv"):
                table.with_suffix(suffix).unlink(missing_ok=True)
