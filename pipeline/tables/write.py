"""The folder of tables of one profile: what the tables stage writes and git keeps."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import pandas as pd

from pipeline.files import write_json, write_text
from pipeline.results import ResultsError
from pipeline.tables.ablations import TABLE_4, TABLE_5
from pipeline.tables.aggregate import Entry, EntryMeans, entry_means
from pipeline.tables.drawing import draw
from pipeline.tables.expected import Expected
from pipeline.tables.figures import figures
from pipeline.tables.gains import FIGURE_5
from pipeline.tables.long_form import csv_text
from pipeline.tables.paper import FIGURE_6, PAPER_TABLES
from pipeline.tables.subsets import subsets_markdown, subsets_values
from pipeline.tables.summary import summary

_TABLES: Final = (*PAPER_TABLES, TABLE_4, TABLE_5, FIGURE_5, FIGURE_6)


def write_tables(metrics: pd.DataFrame, expected: Expected, profile: str, out: Path) -> list[Path]:
    """Write every table of a profile; the same metrics give the same bytes.

    Args:
        metrics: rows as `pipeline.results.read_metrics` returns them, of one profile.
        expected: the data sets of the run, in table order.
        profile: its name; every table of another profile than `paper` says so on top.
        out: folder of tables, such as `results/miniature/tables`.

    Returns:
        The files, sorted: `table1` and `table2` as `.md` and `.csv`, `subsets/<data set>` likewise,
        `summary.json` and `pixel_auroc.svg`; where their variants were run, `table3` to `table5`, `figure5`
        and `figure6` as well, the figures also as `.svg`. What an earlier run left in their place is deleted.

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
    pictures = {out / f"{name}.svg": picture for name, picture in figures(means, expected)}
    for path, picture in pictures.items():
        draw(picture, profile=profile, path=path)
    _delete_others(out, {*texts, *pictures})
    return sorted([*texts, *pictures, out / "summary.json"])


def _delete_others(out: Path, written: set[Path]) -> None:
    tables = [out / f"{table.name}{suffix}" for table in _TABLES for suffix in (".md", ".csv", ".svg")]
    for path in (*tables, *(out / "subsets").iterdir()):
        if path not in written:
            path.unlink(missing_ok=True)


def _texts(means: Mapping[Entry, EntryMeans], expected: Expected, profile: str) -> Iterator[tuple[str, str]]:
    for table in _TABLES:
        if table.exists(means):
            yield f"{table.name}.md", table.markdown(means, expected, profile)
            yield f"{table.name}.csv", csv_text(table.values(means, expected, profile))
    for dataset, record in expected.items():
        yield f"subsets/{dataset}.md", subsets_markdown(dataset, record, means, profile)
        yield f"subsets/{dataset}.csv", csv_text(subsets_values(dataset, record, means, profile))
