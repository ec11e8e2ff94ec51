"""The folder of tables of one profile: what the tables stage writes and git keeps."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import pandas as pd

from pipeline.files import write_json, write_text
from pipeline.results import ResultsError
from pipeline.tables.aggregate import Entry, EntryMeans, entry_means
from pipeline.tables.expected import Expected
from pipeline.tables.figures import draw_datasets
from pipeline.tables.long_form import csv_text
from pipeline.tables.paper import PAPER_TABLES, paper_markdown, paper_values
from pipeline.tables.subsets import subsets_markdown, subsets_values
from pipeline.tables.summary import summary

_FIGURE_METRIC: Final = "pixel_auroc"


def write_tables(metrics: pd.DataFrame, expected: Expected, profile: str, out: Path) -> list[Path]:
    """Write every table of a profile; the same metrics give the same bytes.

    Args:
        metrics: rows as `pipeline.results.read_metrics` returns them, of one profile.
        expected: the data sets of the run, in table order.
        profile: its name; every table of another profile than `paper` says so on top.
        out: folder of tables, such as `results/miniature/tables`.

    Returns:
        The files, sorted: `table1` and `table2` as `.md` and `.csv`, `subsets/<data set>` likewise,
        `summary.json` and `pixel_auroc.svg`. Other files in `subsets/` are deleted.

    Raises:
        ResultsError: rows of another profile, or that do not belong to the run, or none at all.
    """
    if foreign := sorted(set(metrics["profile"]) - {profile}):
        raise ResultsError(f"results of profile {', '.join(foreign)} cannot go into the tables of {profile}")
    means = entry_means(metrics, expected)
    texts = {out / name: text for name, text in _texts(means, expected, profile)}
    for path, text in texts.items():
        write_text(path, text)
    write_json(out / "summary.json", summary(means, expected))
    figure = out / f"{_FIGURE_METRIC}.svg"
    draw_datasets(means, expected, _FIGURE_METRIC, profile=profile, path=figure)
    for path in (out / "subsets").iterdir():
        if path not in texts:
            path.unlink()
    return sorted([*texts, out / "summary.json", figure])


def _texts(means: Mapping[Entry, EntryMeans], expected: Expected, profile: str) -> Iterator[tuple[str, str]]:
    for table in PAPER_TABLES:
        name = f"table{table.number}"
        yield f"{name}.md", paper_markdown(table, means, expected, profile)
        yield f"{name}.csv", csv_text(paper_values(table, means, expected, profile))
    for dataset, record in expected.items():
        yield f"subsets/{dataset}.md", subsets_markdown(dataset, record, means, profile)
        yield f"subsets/{dataset}.csv", csv_text(subsets_values(dataset, record, means, profile))
