"""Tables as grids that a page can sort: one number a cell, best values marked, links on.

Made from the one model of all formats (`pipeline.tables.model`). A pair of metrics becomes two columns, and
rows of other metrics a grid of their own. Where a number is published, it stands below with its verdict.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from pipeline.report.sources import Sources
from pipeline.tables.incomplete import Shortfall
from pipeline.tables.legend import METRIC_TITLES
from pipeline.tables.model import AVERAGE, SOURCE_MARKS, UNDEFINED, Number, Row, Section, Table

_LEVELS: Final = {"image": "image level", "pixel": "pixel level"}
_DATASET: Final = "Data set"  # title of the labels of rows that are data sets


@dataclass(frozen=True)
class GridCell:
    """One number.

    Attributes:
        text: as printed, "-" where there is none.
        sort: what sorting compares, "" where there is none.
        rank: 1 the best of its competitors, 2 the second best, 0 any other.
        hint: its interval, or why there is no number.
        published: what is published; "" where nothing is.
        verdict: on the two; "" likewise.
        link: route of the page behind it, "" without one.
    """

    text: str
    sort: str
    rank: int
    hint: str
    published: str
    verdict: str
    link: str


@dataclass(frozen=True)
class GridRow:
    """A row: its label, what else names it, the route behind it. An average stays below the others."""

    label: str
    detail: str
    link: str
    average: bool
    cells: tuple[GridCell, ...]


@dataclass(frozen=True)
class Grid:
    """A grid. `groups` are titles over `columns`, each over as many as it says; none where each has one.

    `shortfall` is what the table lacks, as its other formats say it.
    """

    name: str
    title: str
    label: str
    groups: tuple[tuple[str, int], ...]
    columns: tuple[str, ...]
    rows: tuple[GridRow, ...]
    legend: tuple[str, ...] = ()
    shortfall: Shortfall | None = None


def grids(table: Table, sources: Sources) -> list[Grid]:
    """The grids of a table; its legend stands below the last."""
    parts = [part for section in table.sections for part in _parts(section)]
    made = []
    for index, (section, metrics, rows) in enumerate(parts):
        level = _LEVELS[metrics[0][0].partition("_")[0]]
        widths = [len(slot) for slot in metrics]
        titles = section.header[section.labels :]
        made.append(
            Grid(
                name=table.name if len(parts) == 1 else f"{table.name}-{index + 1}",
                title=table.title if len(parts) == 1 else f"{table.title}: {level}",
                label=_label(section),
                groups=tuple(zip(titles, widths, strict=True)) if max(widths) > 1 else (),
                columns=_columns(titles, metrics),
                rows=tuple(_row(section, row, sources) for row in rows),
                legend=table.legend if index + 1 == len(parts) else (),
                shortfall=table.shortfall,
            )
        )
    return made


_Metrics = tuple[tuple[str, ...], ...]


def _parts(section: Section) -> Iterator[tuple[Section, _Metrics, list[Row]]]:
    """The rows of a section, apart by their metrics; rows without any number or reason are left out."""
    parts: dict[_Metrics, list[Row]] = {}
    for row in section.rows:
        numbers = [number for slot in row.slots for number in slot]
        if any(number.mean.value is not None or number.mean.missing for number in numbers):
            metrics = tuple(tuple(number.metric for number in slot) for slot in row.slots)
            parts.setdefault(metrics, []).append(row)
    for metrics, rows in parts.items():
        yield section, metrics, rows


def _columns(titles: Sequence[str], metrics: _Metrics) -> tuple[str, ...]:
    """Below a group the name of the metric, where the level is known; without groups the title."""
    if all(len(slot) == 1 for slot in metrics):
        return tuple(titles)
    return tuple(_short(metric) for slot in metrics for metric in slot)


def _short(metric: str) -> str:
    return METRIC_TITLES[metric].removeprefix("image ").removeprefix("pixel ").removesuffix(" (200 steps)")


def _label(section: Section) -> str:
    return _DATASET if _by_dataset(section) else ", ".join(section.header[: section.text_columns])


def _by_dataset(section: Section) -> bool:
    return section.header[section.text_columns - 1] == _DATASET


def _row(section: Section, row: Row, sources: Sources) -> GridRow:
    numbers = [number for slot in row.slots for number in slot]
    cells = tuple(_cell(number, sources) for number in numbers)
    labels = row.labels[: section.text_columns]
    if not _by_dataset(section):
        titles = section.header[: section.text_columns]
        pairs = [f"{title.lower()} {label}" for title, label in zip(titles, labels, strict=True)]
        label = labels[0] if len(labels) == 1 else ", ".join(pairs)
        return GridRow(label, "", "", average=False, cells=cells)
    average = numbers[0].dataset == AVERAGE
    link = "" if average else f"#/data/{numbers[0].dataset}/{numbers[0].metric}"
    rest = slice(section.text_columns, section.labels)
    named = zip(section.header[rest], row.labels[rest], strict=True)
    detail = ", ".join(f"{title} {text}" for title, text in named if text)
    return GridRow(labels[-1], detail, link, average, cells)


def _cell(number: Number, sources: Sources) -> GridCell:
    mean, show = number.mean, number.show
    hint = mean.missing or ""
    if mean.interval is not None:
        hint = f"95 % interval {show(mean.interval[0])} to {show(mean.interval[1])}"
    published = verdict = ""
    if (found := number.comparison) is not None:
        mark = SOURCE_MARKS[found.published.source]
        published, verdict = f"{found.published.percent:.1f}{mark} published", found.verdict
        hint = "; ".join(part for part in (hint, found.reason) if part)
    return GridCell(
        text=UNDEFINED if mean.value is None else show(mean.value),
        sort="" if mean.value is None else f"{100 * mean.value:z.4f}",
        rank=number.rank,
        hint=hint,
        published=published,
        verdict=verdict,
        link="" if number.dataset == AVERAGE else dataset_link(sources, number.dataset, number.metric),
    )


def dataset_link(sources: Sources, dataset: str, metric: str) -> str:
    """The route behind a number of a data set: its only subset, or all its subsets by one metric."""
    subsets = sources.expected[dataset].subsets
    if len(subsets) == 1:
        return f"#/subset/{dataset}/{quote(subsets[0], safe='')}"
    return f"#/data/{dataset}/{metric}"
