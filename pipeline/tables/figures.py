"""Which figures there are: pixel AUROC by data set and method, and Figures 5 and 6 of the paper."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from pipeline.tables.aggregate import Entry, EntryMeans
from pipeline.tables.drawing import Panel, Picture
from pipeline.tables.expected import Expected
from pipeline.tables.gains import FIGURE_5, GAIN_METRICS
from pipeline.tables.naming import METRIC_TITLES, entry_title
from pipeline.tables.paper import FIGURE_6, methods_as_published
from pipeline.tables.shortfall import shortfall

_OVERVIEW_METRIC: Final = "pixel_auroc"
_ATTENTION_METRICS: Final = ("image_auroc", "pixel_auroc")  # what the paper compares the strategies by


def figures(means: Mapping[Entry, EntryMeans], expected: Expected) -> Iterator[tuple[str, Picture]]:
    """The figures of a run, each with the name of its file, without its suffix."""
    yield _OVERVIEW_METRIC, overview(means, expected, _OVERVIEW_METRIC)
    if FIGURE_5.exists(means):
        yield FIGURE_5.name, _gains(means, expected)
    if FIGURE_6.exists(means):
        yield FIGURE_6.name, _attentions(means, expected)


def overview(means: Mapping[Entry, EntryMeans], expected: Expected, metric: str) -> Picture:
    """`metric` of the data sets that have it, one series a method of the paper tables."""
    names = [name for name, record in expected.items() if metric in record.metrics]
    own = methods_as_published(means)
    columns = {entry_title(entry): it for entry, it in own.items()}
    panels = [_panel(columns, names, metric)]
    lacks = shortfall(own, names)
    return Picture([expected[name].title for name in names], panels, lacks)


def _attentions(means: Mapping[Entry, EntryMeans], expected: Expected) -> Picture:
    own = FIGURE_6.columns(means, expected)
    columns = {FIGURE_6.variants[entry]: it for entry, it in own.items()}
    panels = [_panel(columns, list(expected), metric) for metric in _ATTENTION_METRICS]
    lacks = shortfall(own, expected)
    return Picture([record.title for record in expected.values()], panels, lacks)


def _gains(means: Mapping[Entry, EntryMeans], expected: Expected) -> Picture:
    gains = FIGURE_5.gains(means, expected)
    series = {
        METRIC_TITLES[metric]: [gains[name][metric].value for name in expected] for metric in GAIN_METRICS
    }
    label = "gain of object-agnostic over object-aware prompts (points)"
    lacks = shortfall(FIGURE_5.columns(means, expected), expected)
    panels = [Panel(label, series, signed=True)]
    return Picture([record.title for record in expected.values()], panels, lacks)


def _panel(columns: Mapping[str, EntryMeans], names: Sequence[str], metric: str) -> Panel:
    series = {
        title: [own.over_subsets(name, metric).value for name in names] for title, own in columns.items()
    }
    return Panel(f"{METRIC_TITLES[metric]} (%)", series)
