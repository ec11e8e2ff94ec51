"""Tables as grids that a page can sort: one number in each place, best values marked, links on.

Made from the one model of all formats (`pipeline.tables.model`). A pair of metrics becomes two columns, and
rows of other metrics a grid of their own. Where a number is published, it stands below with its verdict.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from pipeline.tables.expected import Expected
from pipeline.tables.legend import METRIC_TITLES
from pipeline.tables.model import AVERAGE, SOURCE_MARKS, Number, Row, Section, Table

_LEVELS: Final = {"image": "image level", "pixel": "pixel level"}
_DATASET: Final = "Data set"  # title of the labels of rows that are data sets

_Metrics = tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class GridRow:
    """A row: its label, what else names it, the route behind it. An average stays below the others."""

    label: str
    detail: str
    link: str
    average: bool
    numbers: tuple[Number, ...]


@dataclass(frozen=True)
class Grid:
    """A grid. `groups` are titles over `columns`, each over as many as it says; none where each has one.

    `incomplete` says which cells have no result, as the other formats of the table do.
    """

    name: str
    title: str
    label: str
    groups: tuple[tuple[str, int], ...]
    columns: tuple[str, ...]
    rows: tuple[GridRow, ...]
    legend: tuple[str, ...] = ()
    incomplete: str | None = None


def grids(table: Table) -> list[Grid]:
    """The grids of a table; its legend stands below the last."""
    parts = [part for section in table.sections for part in _parts(section)]
    made = []
    for index, (section, metrics, rows) in enumerate(parts):
        level = section.title or _LEVELS[metrics[0][0].partition("_")[0]]
        widths = [len(slot) for slot in metrics]
        titles = section.header[section.labels :]
        made.append(
            Grid(
                name=table.name if len(parts) == 1 else f"{table.name}-{index + 1}",
                title=table.title if len(parts) == 1 else f"{table.title}: {level}",
                label=_label(section),
                groups=tuple(zip(titles, widths, strict=True)) if max(widths) > 1 else (),
                columns=_columns(titles, metrics),
                rows=tuple(_row(section, row) for row in rows),
                legend=table.below if index + 1 == len(parts) else (),
                incomplete=table.outcome.incomplete,
            )
        )
    return made


def shown(number: Number) -> str:
    """As printed, "-" where there is none."""
    return number.text


def sort_key(number: Number) -> str:
    """What sorting compares, "" where there is none."""
    return "" if number.mean.value is None else f"{100 * number.mean.value:z.4f}"


def hint(number: Number) -> str:
    """Its interval, or why there is no number or nothing to compare it with."""
    ends, show = number.mean.interval, number.show
    told = number.mean.missing if ends is None else f"95 % interval {show(ends[0])} to {show(ends[1])}"
    reason = number.comparison.reason if number.comparison else None
    return "; ".join(part for part in (told, reason) if part)


def published(number: Number) -> str:
    """What is published; "" where nothing is."""
    if number.comparison is None:
        return ""
    value = number.comparison.published
    return f"{value.percent:.1f}{SOURCE_MARKS[value.source]} published"


def link(number: Number, expected: Expected) -> str:
    """The route behind a number, "" for an average: the only subset of a data set, or all by one metric."""
    if number.dataset == AVERAGE:
        return ""
    subsets = expected[number.dataset].subsets
    if len(subsets) == 1:
        return f"#/subset/{number.dataset}/{quote(subsets[0], safe='')}"
    return f"#/data/{number.dataset}/{number.metric}"


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


def _row(section: Section, row: Row) -> GridRow:
    numbers = tuple(number for slot in row.slots for number in slot)
    labels = row.labels[: section.text_columns]
    if not _by_dataset(section):
        titles = section.header[: section.text_columns]
        named = [f"{title.lower()} {label}" for title, label in zip(titles, labels, strict=True)]
        label = labels[0] if len(labels) == 1 else ", ".join(named)
        return GridRow(label, "", "", average=False, numbers=numbers)
    average = numbers[0].dataset == AVERAGE
    route = "" if average else f"#/data/{numbers[0].dataset}/{numbers[0].metric}"
    rest = slice(section.text_columns, section.labels)
    details = zip(section.header[rest], row.labels[rest], strict=True)
    detail = ", ".join(f"{title} {told}" for title, told in details if told)
    return GridRow(labels[-1], detail, route, average, numbers)
