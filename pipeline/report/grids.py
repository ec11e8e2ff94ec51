"""The tables of the paper as grids that a page can sort: one number a cell, best values marked, links on.

Built from the same values as the CSV files, so a grid says what the other forms of its table say. A pair of
metrics becomes two columns. In the paper profile the published number stands beside.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final
from urllib.parse import quote

from pipeline.report.sources import Sources
from pipeline.tables.ablations import TABLE_4, TABLE_5, AblationTable
from pipeline.tables.aggregate import Entry
from pipeline.tables.gains import FIGURE_5
from pipeline.tables.long_form import AVERAGE, Value
from pipeline.tables.markdown import PAPER_PROFILE
from pipeline.tables.naming import METRIC_TITLES, entry_title
from pipeline.tables.paper import FIGURE_6, PAPER_TABLES
from pipeline.tables.published import published_table

_ABLATIONS: Final = (TABLE_4, TABLE_5)
_LEVELS: Final = {"image": "image level", "pixel": "pixel level"}

_Key = tuple[str, ...]
_Published = Callable[[Value], float | None]


@dataclass(frozen=True)
class GridCell:
    """One number.

    Attributes:
        text: as printed, "-" where there is none.
        sort: what sorting compares, "" where there is none.
        rank: 1 the best of its competitors, 2 the second best, 0 any other.
        note: why there is no number.
        published: the paper's number beside it, None where it is not shown.
        link: route of the page behind it, "" without one.
    """

    text: str
    sort: str
    rank: int = 0
    note: str = ""
    published: str | None = None
    link: str = ""


@dataclass(frozen=True)
class GridRow:
    """A row: its label, the route behind the label, its cells; an average stays below the others."""

    label: str
    cells: tuple[GridCell, ...]
    link: str = ""
    average: bool = False


@dataclass(frozen=True)
class Grid:
    """A table. `groups` are titles over `columns`, each over as many as it says."""

    name: str
    title: str
    label: str
    groups: tuple[tuple[str, int], ...]
    columns: tuple[str, ...]
    rows: tuple[GridRow, ...]


def grids(sources: Sources) -> Iterator[Grid]:
    """The grids of every table that the run fills, in the paper's order."""
    for table in (*PAPER_TABLES, *_ABLATIONS, FIGURE_5, FIGURE_6):
        if not table.exists(sources.means):
            continue
        values = list(table.values(sources.means, sources.expected, sources.profile))
        number = table.name.removeprefix("table")
        published = _published(sources.profile, number)
        if isinstance(table, AblationTable):
            yield from _by_entry(table, values, sources, published)
            continue
        titles = getattr(table, "variants", {})
        for task, level in _LEVELS.items():
            own = [value for value in values if value.task == task]
            if any(value.value or value.note for value in own):
                yield _by_dataset(
                    f"{table.name}-{task}", f"{table.title}: {level}", own, sources, titles, published
                )


def _by_dataset(
    name: str,
    title: str,
    values: Sequence[Value],
    sources: Sources,
    titles: Mapping[Entry, str],
    published: _Published,
) -> Grid:
    """Data sets in rows; entries, each with its metrics, in columns; the best of a row and metric marked."""
    columns = list(dict.fromkeys((value.method, value.variant, value.metric) for value in values))
    rows: dict[str, dict[_Key, Value]] = {}
    for value in values:
        rows.setdefault(value.dataset, {})[value.method, value.variant, value.metric] = value
    shown = []
    for dataset, own in rows.items():
        if not any(value.value or value.note for value in own.values()):
            continue
        ranks = _ranks(own, by=2)
        cells = tuple(_cell(own[key], ranks[key], sources, published) for key in columns)
        average = dataset == AVERAGE
        label = "Average" if average else sources.expected[dataset].title
        link = "" if average else f"#/data/{dataset}/{values[0].metric}"
        shown.append(GridRow(label, cells, link, average))
    entries = list(dict.fromkeys(Entry(method, variant) for method, variant, _ in columns))
    groups = [
        (
            titles.get(entry, entry_title(entry)),
            sum(key[:2] == (entry.method, entry.variant) for key in columns),
        )
        for entry in entries
    ]
    headers = tuple(_short(metric) for _, _, metric in columns)
    return Grid(name, title, "Data set", tuple(groups), headers, tuple(shown))


def _by_entry(
    table: AblationTable, values: Sequence[Value], sources: Sources, published: _Published
) -> Iterator[Grid]:
    """Entries in rows; data sets, each with its metrics, in columns; the best of a column marked."""
    columns = list(dict.fromkeys((value.dataset, value.metric) for value in values))
    if not columns:
        return
    by_key: dict[_Key, Value] = {
        (value.dataset, value.metric, value.method, value.variant): value for value in values
    }
    ranks: dict[_Key, int] = {}
    for column in columns:
        ranks |= _ranks({key: value for key, value in by_key.items() if key[:2] == column}, by=1)
    rows = []
    for entry, labels in table.rows.items():
        keys = [(*column, entry.method, entry.variant) for column in columns]
        cells = tuple(_cell(by_key[key], ranks[key], sources, published) for key in keys)
        rows.append(GridRow(_row_label(table.header, labels), cells))
    groups = [
        (sources.expected[name].title, sum(column[0] == name for column in columns))
        for name in dict.fromkeys(name for name, _ in columns)
    ]
    headers = tuple(METRIC_TITLES[metric] for _, metric in columns)
    label = ", ".join(table.header)
    yield Grid(table.name, table.title, label, tuple(groups), headers, tuple(rows))


def _row_label(header: Sequence[str], labels: Sequence[str]) -> str:
    if len(header) == 1:
        return labels[0]
    return ", ".join(f"{name.lower()} {label}" for name, label in zip(header, labels, strict=True))


def _ranks(values: Mapping[_Key, Value], *, by: int) -> dict[_Key, int]:
    """1 and 2 for the best and second best as printed among values with the same part `by` of their key."""
    ranks: dict[_Key, int] = {}
    for part in dict.fromkeys(key[by] for key in values):
        own = {key: value for key, value in values.items() if key[by] == part}
        printed = sorted({float(value.printed) for value in own.values() if value.printed}, reverse=True)
        # The lowest is not the best of anything.
        places = {number: place for place, number in enumerate(printed[:-1][:2], 1)}
        for key, value in own.items():
            ranks[key] = places.get(float(value.printed), 0) if value.printed else 0
    return ranks


def _cell(value: Value, rank: int, sources: Sources, published: _Published) -> GridCell:
    paper = published(value)
    return GridCell(
        text=value.printed or "-",
        sort=value.value,
        rank=0 if value.table == FIGURE_5.name else rank,
        note=value.note,
        published=None if paper is None else f"{paper:.1f}",
        link="" if value.dataset == AVERAGE else dataset_link(sources, value.dataset, value.metric),
    )


def dataset_link(sources: Sources, dataset: str, metric: str) -> str:
    """The route behind a number of a data set: of its only subset, or of all its subsets by one metric."""
    subsets = sources.expected[dataset].subsets
    if len(subsets) == 1:
        return f"#/subset/{dataset}/{quote(subsets[0], safe='')}"
    return f"#/data/{dataset}/{metric}"


def _published(profile: str, number: str) -> _Published:
    if profile != PAPER_PROFILE or not number.isdigit():
        return lambda _value: None
    known = _published_values(int(number))
    return lambda value: known.get((value.method, value.variant, value.dataset, value.metric))


@cache
def _published_values(number: int) -> dict[_Key, float]:
    return {(it.method, it.variant, it.dataset, it.metric): it.percent for it in published_table(number)}


def _short(metric: str) -> str:
    """A metric below the name of a method, where the level is known."""
    return METRIC_TITLES[metric].removeprefix("image ").removeprefix("pixel ").removesuffix(" (200 steps)")
