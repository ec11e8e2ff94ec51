"""One picture of the benchmark: a metric by data set, one marker a method, as SVG with stable bytes.

Colours are Okabe and Ito's, which colour-blind readers tell apart; every method has its own marker as well.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pipeline.files import atomic_path
from pipeline.tables.aggregate import Entry, EntryMeans
from pipeline.tables.expected import Expected
from pipeline.tables.markdown import profile_mark
from pipeline.tables.naming import METRIC_TITLES, entry_title
from pipeline.tables.paper import methods_as_published

# Okabe and Ito, Color Universal Design (2008), without yellow, which is too pale for a small marker.
_COLOURS: Final = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000")
_MARKERS: Final = "osD^vPX"
_STYLE: Final = {"svg.hashsalt": "zsad", "svg.fonttype": "path", "font.family": "DejaVu Sans", "font.size": 9}


def draw_datasets(
    means: Mapping[Entry, EntryMeans], expected: Expected, metric: str, *, profile: str, path: Path
) -> None:
    """Draw `metric` in percent of every data set that has it, with the profile's mark, as an SVG file.

    A data set without a mean has no marker. Methods are those of the paper tables.
    """
    # Slow to import, and the rest of the tables do without it.
    import matplotlib as mpl
    from matplotlib.figure import Figure

    names = [name for name, record in expected.items() if metric in record.metrics]
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(7, 1.6 + 0.27 * len(names)), layout="constrained")
        axes = figure.subplots()
        for index, (entry, own) in enumerate(methods_as_published(means).items()):
            _draw_method(axes, index, entry_title(entry), _percent(own, names, metric))
        _finish(axes, [expected[name].title for name in names], metric, profile)
        with atomic_path(path) as temporary:
            figure.savefig(temporary, format="svg", metadata={"Date": None, "Creator": None})


def _percent(means: EntryMeans, names: list[str], metric: str) -> list[tuple[int, float]]:
    values = [means.over_subsets(name, metric).value for name in names]
    return [(row, 100 * value) for row, value in enumerate(values) if value is not None]


def _draw_method(axes: Any, index: int, title: str, points: list[tuple[int, float]]) -> None:
    axes.plot(
        [value for _, value in points],
        [row for row, _ in points],
        linestyle="none",
        marker=_MARKERS[index % len(_MARKERS)],
        color=_COLOURS[index % len(_COLOURS)],
        markersize=6,
        label=title,
    )


def _finish(axes: Any, titles: list[str], metric: str, profile: str) -> None:
    axes.set_xlim(-2, 102)
    axes.set_ylim(len(titles) - 0.5, -0.5)
    axes.set_yticks(range(len(titles)), titles)
    axes.set_xlabel(f"{METRIC_TITLES[metric]} (%)")
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    if mark := profile_mark(profile):
        axes.set_title(mark, fontsize=8, loc="left")
    axes.figure.legend(loc="outside lower center", ncols=6, frameon=False)
