"""What DVC shows and compares: averages over data sets, method by method and domain by domain.

`summary.json` for `dvc metrics`: shares in [0, 1], rounded to four decimals; null where a data set that has
the metric has no value for it. `averages.json` for `dvc plots`: the same as records, in percent.


The folder of tables of one profile: what the tables stage writes and git keeps.

The tables of the run that params describe: which rows and data sets they stand on, and where they go.

The stage, the command and the nightly flow write the same tables, complete or not; this is what they share.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final, get_args

import pandas as pd

from pipeline.files import write_json, write_text
from pipeline.params import Params
from pipeline.results import METRICS, ResultsError
from pipeline.results.parquet import read_metrics
from pipeline.tables.aggregate import Entry, EntryMeans, entry_means
from pipeline.tables.expected import Domain, Expected, expected_sets
from pipeline.tables.figures import draw, figures
from pipeline.tables.gains import FIGURE_5
from pipeline.tables.html import html
from pipeline.tables.latex import latex
from pipeline.tables.legend import in_order
from pipeline.tables.markdown import markdown
from pipeline.tables.model import Table
from pipeline.tables.paper import FIGURE_6, OTHER_VARIANTS, PAPER_TABLES, TABLE_4, TABLE_5, subsets_table
from pipeline.tables.values import csv_text

Summary = dict[str, dict[str, dict[str, float | None]]]


def summary(means: Mapping[Entry, EntryMeans], expected: Expected) -> Summary:
    """Averages by entry (`anomalyclip`, `anomalyclip[variant]`), domain (those of this run) and metric."""
    domains = {
        domain: [name for name, record in expected.items() if record.domain == domain]
        for domain in get_args(Domain)
    }
    return {
        entry.name: {
            domain: {metric: _rounded(means[entry].over_datasets(names, metric).value) for metric in METRICS}
            for domain, names in domains.items()
            if names
        }
        for entry in in_order(means)
    }


def averages(found: Summary) -> list[dict[str, str | float]]:
    """A record an entry and domain: its name such as `anomalyclip, medical`, and each average that exists."""
    return [
        {
            "entry": f"{entry}, {domain}",
            **{metric: round(100 * share, 2) for metric, share in metrics.items() if share is not None},
        }
        for entry, domains in found.items()
        for domain, metrics in domains.items()
    ]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


FORMATS: Final[Mapping[str, Callable[[Table], str]]] = {
    "markdown": markdown,
    "latex": latex,
    "csv": csv_text,
    "html": html,
}
"""What a table can be written as, by name."""

_SUFFIXES: Final = {"markdown": ".md", "latex": ".tex", "csv": ".csv", "html": ".html"}
_PROVENANCE: Final = "From a number here to its rows and to code, weights and data: docs/results.md."
_TABLES: Final = (*PAPER_TABLES, TABLE_4, TABLE_5, FIGURE_5, FIGURE_6, OTHER_VARIANTS)


def build_tables(metrics: pd.DataFrame, expected: Expected, profile: str) -> dict[str, Table]:
    """Every table of a run by name: `table1`, `table2`, those whose variants were run, `subsets/<data set>`.

    Args:
        metrics: rows as `pipeline.results.parquet.read_metrics` returns them, of one profile.
        expected: the data sets of the run, in table order.
        profile: its name; every table of another profile than `paper` says so on top.

    Raises:
        ResultsError: rows of another profile, or that do not belong to the run, or none at all.
    """
    return _tables(_means(metrics, expected, profile), expected, profile)


def write_tables(metrics: pd.DataFrame, expected: Expected, profile: str, out: Path) -> list[Path]:
    """Write every table of a profile; the same metrics give the same bytes.

    Args:
        metrics: rows as `pipeline.results.parquet.read_metrics` returns them, of one profile.
        expected: the data sets of the run, in table order.
        profile: its name; every table of another profile than `paper` says so on top.
        out: folder of tables, such as `results/miniature/tables`.

    Returns:
        The files, sorted: the tables of `build_tables` as `.md`, `.tex`, `.csv` and `.html`, `summary.json`,
        `averages.json` and `pixel_auroc.svg`; figures whose variants were run also as `.svg`. What an earlier
        run left in their place is deleted.

    Raises:
        ResultsError: rows of another profile, or that do not belong to the run, or none at all.
    """
    means = _means(metrics, expected, profile)
    tables = _tables(means, expected, profile)
    texts = {
        out / f"{name}{_SUFFIXES[kind]}": write(table)
        for name, table in tables.items()
        for kind, write in FORMATS.items()
    }
    for path, text in texts.items():
        write_text(path, text)
    summed = summary(means, expected)
    write_json(out / "summary.json", summed)
    write_json(out / "averages.json", averages(summed))
    pictures = {out / f"{name}.svg": picture for name, picture in figures(means, expected)}
    for path, picture in pictures.items():
        draw(picture, profile=profile, path=path)
    _delete_others(out, {*texts, *pictures})
    return sorted([*texts, *pictures, out / "averages.json", out / "summary.json"])


def _means(metrics: pd.DataFrame, expected: Expected, profile: str) -> dict[Entry, EntryMeans]:
    if foreign := sorted(set(metrics["profile"]) - {profile}):
        raise ResultsError(f"results of profile {', '.join(foreign)} cannot go into the tables of {profile}")
    return entry_means(metrics, expected)


def _tables(means: Mapping[Entry, EntryMeans], expected: Expected, profile: str) -> dict[str, Table]:
    tables = [table.table(means, expected, profile) for table in _TABLES if table.exists(means)]
    tables += [subsets_table(dataset, means, expected, profile) for dataset in expected]
    return {table.name: replace(table, legend=(*table.legend, _PROVENANCE)) for table in tables}


def _delete_others(out: Path, written: set[Path]) -> None:
    suffixes = (*_SUFFIXES.values(), ".svg")
    tables = [out / f"{table.name}{suffix}" for table in _TABLES for suffix in suffixes]
    for path in (*tables, *(out / "subsets").iterdir()):
        if path not in written:
            path.unlink(missing_ok=True)


def read_run(params: Params) -> tuple[pd.DataFrame, Expected]:
    """The rows of `params.profile` as `read_metrics` gives them, and what the run ought to contain.

    Raises:
        ZsadError: there are no rows, or a file is damaged; the message names it.
    """
    return read_metrics(params.results / "metrics"), expected_sets(params.every_dataset, params.builds)


def write_run_tables(params: Params) -> list[Path]:
    """Write every table of what is finished; see `write_tables`.

    Raises:
        ZsadError: see `read_run` and `write_tables`.
    """
    metrics, expected = read_run(params)
    return write_tables(metrics, expected, params.profile, params.results / "tables")
