"""Dot plots of a run: pixel AUROC by data set and method, and Figures 5 and 6 of the paper.

Data sets stand from the top down, values across; every series has its own colour, marker and height. `canvas`
is the style of all figures, those of the report included: marks on top, stable bytes as SVG or PNG. Colours
are Okabe and Ito's, which colour-blind readers tell apart (Color Universal Design, 2008), without yellow,
which is too pale for a small marker.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pipeline.files import atomic_path
from pipeline.tables.gains import GAIN_METRICS, gains, gains_part
from pipeline.tables.legend import METRIC_TITLES
from pipeline.tables.outcome import Outcome
from pipeline.tables.paper import ATTENTIONS

BLUE: Final = "#0072B2"
ORANGE: Final = "#D55E00"
COLOURS: Final = (BLUE, ORANGE, "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS: Final = "osD^vPX"
INK: Final = "#111111"  # the page of the report knows these colours, and has others for its dark theme
GRID: Final = {"color": "#dddddd", "linewidth": 0.6}

_OVERVIEW_METRIC: Final = "pixel_auroc"
_ATTENTION_METRICS: Final = ("image_auroc", "pixel_auroc")  # what the paper compares the strategies by
_SPREAD: Final = 0.64  # of a row, from the first series to the last: equal values do not hide each other
_STYLE: Final = {
    "svg.hashsalt": "zsad",
    "svg.fonttype": "path",
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    **dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), INK),
}
# What would change from one drawing to the next.
_METADATA: Final = {".svg": {"Date": None, "Creator": None}, ".png": {"Software": None}}
_DPI: Final = 150

Series = Mapping[str, Sequence[float | None]]
"""Shares by title, one value or none for every row of a plot."""


@dataclass(frozen=True)
class DotPlot:
    """Panels side by side over the same rows, which are the data sets of `outcome`.

    Attributes:
        name: of its file.
        outcome: the part of the run that it stands on; its marks stand on top.
        panels: from the left to the right, by the label of their axis; every panel has the same series.
        signed: values are differences, drawn about zero, instead of shares in [0, 1].
    """

    name: str
    outcome: Outcome
    panels: Mapping[str, Series]
    signed: bool = False

    def draw(self, path: Path) -> None:
        """Draw it in percent, as `.svg` or `.png`; no value, no marker."""
        rows = [record.title for record in self.outcome.expected.values()]
        size = (4 + 3 * len(self.panels), 1.4 + 0.34 * len(rows))
        with canvas(path, size, self.outcome) as figure:
            every = figure.subplots(1, len(self.panels), sharey=True, squeeze=False)[0]
            for axes, (label, series) in zip(every, self.panels.items(), strict=True):
                axes.set_xlabel(label)
                _draw_series(axes, series, signed=self.signed)
            every[0].set_ylim(max(len(rows), 1) - 0.5, -0.5)
            every[0].set_yticks(range(len(rows)), rows)
            handles = every[0].get_legend_handles_labels()
            figure.legend(*handles, loc="outside lower center", ncols=6, frameon=False)


def dot_plots(outcome: Outcome) -> Iterator[DotPlot]:
    """Those that a run has data for."""
    yield overview(outcome, _OVERVIEW_METRIC)
    if (part := gains_part(outcome)) is not None:
        yield _gains(part)
    if outcome.has_variant(ATTENTIONS):
        part = outcome.only(ATTENTIONS)
        yield DotPlot("figure6", part, _panels(part, _ATTENTION_METRICS, list(ATTENTIONS.values())))


def overview(outcome: Outcome, metric: str) -> DotPlot:
    """`metric` of the data sets that have it, one series for each method of the paper's tables."""
    names = [name for name, record in outcome.expected.items() if metric in record.metrics]
    part = outcome.only(outcome.methods, names)
    return DotPlot(metric, part, _panels(part, (metric,), [part.title(system) for system in part.means]))


@contextmanager
def canvas(path: Path, size: tuple[float, float], outcome: Outcome) -> Iterator[Any]:
    """Yield a figure of `size` inches; at the end write it to `path`, in the format of its suffix.

    The marks of `outcome`, which it shows, stand above whatever is drawn.
    """
    # Slow to import, and the rest of the tables do without it.
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=size, layout="constrained")
        yield figure
        if marks := outcome.marks(short=True):
            figure.suptitle("\n".join(marks), fontsize=7, x=0.01, ha="left")
        with atomic_path(path) as temporary:
            figure.savefig(temporary, format=path.suffix[1:], dpi=_DPI, metadata=_METADATA[path.suffix])


def _panels(part: Outcome, metrics: Sequence[str], titles: Sequence[str]) -> dict[str, Series]:
    return {
        f"{METRIC_TITLES[metric]} (%)": {
            title: [own.over_subsets(name, metric).value for name in part.expected]
            for title, own in zip(titles, part.means.values(), strict=True)
        }
        for metric in metrics
    }


def _gains(part: Outcome) -> DotPlot:
    found = gains(part)
    series = {
        METRIC_TITLES[metric]: [found[name][metric].value for name in part.expected]
        for metric in GAIN_METRICS
    }
    label = "gain of object-agnostic over object-aware prompts (points)"
    return DotPlot("figure5", part, {label: series}, signed=True)


def _draw_series(axes: Any, series: Series, *, signed: bool) -> None:
    for index, (title, values) in enumerate(series.items()):
        height = _SPREAD * (index / max(len(series) - 1, 1) - 0.5)
        points = [(100 * value, row + height) for row, value in enumerate(values) if value is not None]
        axes.plot(
            [value for value, _ in points],
            [row for _, row in points],
            linestyle="none",
            marker=MARKERS[index % len(MARKERS)],
            color=COLOURS[index % len(COLOURS)],
            markersize=5,
            label=title,
        )
    axes.set_xlim(*_limits(series, signed=signed))
    if signed:
        axes.axvline(0, color="#888888", linewidth=0.8, zorder=1)
    axes.grid(**GRID, axis="x")
    for edge in range(1, len(next(iter(series.values()), ()))):
        axes.axhline(edge - 0.5, **GRID)


def _limits(series: Series, *, signed: bool) -> tuple[float, float]:
    """Differences about zero; shares from the ten below the lowest, so that near ones stand apart."""
    known = [100 * value for values in series.values() for value in values if value is not None]
    if not signed:
        return (10 * (min(known, default=0.0) // 10) - 1, 101)
    widest = max(map(abs, known), default=0.0)
    return (-1.05 * max(widest, 1.0), 1.05 * max(widest, 1.0))
