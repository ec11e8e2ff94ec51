"""A matplotlib figure in the style of tables and report: marks on top, stable bytes as SVG or PNG.

Colours are Okabe and Ito's, which colour-blind readers tell apart (Color Universal Design, 2008), without
yellow, which is too pale for a small marker.


Dot plots: data sets from the top down, values across; every series has its own colour, marker and height.

Knows nothing of methods or metrics.


Which figures there are: pixel AUROC by data set and method, and Figures 5 and 6 of the paper.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pipeline.files import atomic_path
from pipeline.tables.aggregate import Entry, EntryMeans
from pipeline.tables.expected import Expected
from pipeline.tables.gains import FIGURE_5, GAIN_METRICS
from pipeline.tables.incomplete import Shortfall, shortfall
from pipeline.tables.layout import profile_mark
from pipeline.tables.legend import METRIC_TITLES, entry_title
from pipeline.tables.paper import FIGURE_6, methods_as_published

BLUE: Final = "#0072B2"
ORANGE: Final = "#D55E00"
COLOURS: Final = (BLUE, ORANGE, "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
GRID: Final = {"color": "#dddddd", "linewidth": 0.6}

_STYLE: Final = {
    "svg.hashsalt": "zsad",
    "svg.fonttype": "path",
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
# What would change from one drawing to the next.
_METADATA: Final = {".svg": {"Date": None, "Creator": None}, ".png": {"Software": None}}
_DPI: Final = 150


@contextmanager
def canvas(
    path: Path, size: tuple[float, float], profile: str, shortfall: Shortfall | None = None
) -> Iterator[Any]:
    """Yield a figure of `size` inches; at the end write it to `path`, in the format of its suffix.

    The profile's mark, and what cells are lacking, stand above whatever is drawn.
    """
    # Slow to import, and the rest of the tables do without it.
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=size, layout="constrained")
        yield figure
        if marks := [mark for mark in (profile_mark(profile), shortfall and shortfall.short) if mark]:
            figure.suptitle("\n".join(marks), fontsize=7, x=0.01, ha="left")
        with atomic_path(path) as temporary:
            figure.savefig(temporary, format=path.suffix[1:], dpi=_DPI, metadata=_METADATA[path.suffix])


_MARKERS: Final = "osD^vPX"
_SPREAD: Final = 0.64  # of a row, from the first series to the last: equal values do not hide each other

Series = Mapping[str, Sequence[float | None]]


@dataclass(frozen=True)
class Panel:
    """One plot of a figure.

    Attributes:
        label: of the axis of values.
        series: shares by title, one value or none for every row of the figure.
        signed: values are differences, drawn about zero, instead of shares in [0, 1].
    """

    label: str
    series: Series
    signed: bool = False


@dataclass(frozen=True)
class Picture:
    """Panels side by side over the same rows; every panel has the same series.

    Attributes:
        rows: titles, from the top down.
        panels: from the left to the right.
        shortfall: the cells that it stands on and that have no result.
    """

    rows: Sequence[str]
    panels: Sequence[Panel]
    shortfall: Shortfall | None = None


def draw(picture: Picture, *, profile: str, path: Path) -> None:
    """Draw `picture` in percent, with its marks on top, as `.svg` or `.png`; no value, no marker."""
    size = (4 + 3 * len(picture.panels), 1.4 + 0.34 * len(picture.rows))
    with canvas(path, size, profile, picture.shortfall) as figure:
        every = figure.subplots(1, len(picture.panels), sharey=True, squeeze=False)[0]
        for axes, panel in zip(every, picture.panels, strict=True):
            _draw_panel(axes, panel)
        _finish(figure, every[0], picture.rows)


def _draw_panel(axes: Any, panel: Panel) -> None:
    for index, (title, values) in enumerate(panel.series.items()):
        height = _SPREAD * (index / max(len(panel.series) - 1, 1) - 0.5)
        points = [(100 * value, row + height) for row, value in enumerate(values) if value is not None]
        axes.plot(
            [value for value, _ in points],
            [row for _, row in points],
            linestyle="none",
            marker=_MARKERS[index % len(_MARKERS)],
            color=COLOURS[index % len(COLOURS)],
            markersize=5,
            label=title,
        )
    axes.set_xlim(*_limits(panel))
    if panel.signed:
        axes.axvline(0, color="#888888", linewidth=0.8, zorder=1)
    axes.set_xlabel(panel.label)
    axes.grid(**GRID, axis="x")
    for edge in range(1, len(next(iter(panel.series.values()), ()))):
        axes.axhline(edge - 0.5, **GRID)


def _limits(panel: Panel) -> tuple[float, float]:
    """Differences about zero; shares from the ten below the lowest, so that near ones stand apart."""
    known = [100 * value for values in panel.series.values() for value in values if value is not None]
    if not panel.signed:
        return (10 * (min(known, default=0.0) // 10) - 1, 101)
    widest = max(map(abs, known), default=0.0)
    return (-1.05 * max(widest, 1.0), 1.05 * max(widest, 1.0))


def _finish(figure: Any, first: Any, rows: Sequence[str]) -> None:
    first.set_ylim(max(len(rows), 1) - 0.5, -0.5)
    first.set_yticks(range(len(rows)), rows)
    figure.legend(*first.get_legend_handles_labels(), loc="outside lower center", ncols=6, frameon=False)


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
