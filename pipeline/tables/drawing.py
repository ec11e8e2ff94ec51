"""How figures look: data sets from the top down, values across, a marker a series, as SVG with stable bytes.

Colours are Okabe and Ito's, which colour-blind readers tell apart; every series has its own marker as well.
Knows nothing of methods or metrics.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pipeline.files import atomic_path
from pipeline.tables.layout import profile_mark
from pipeline.tables.shortfall import Shortfall

# Okabe and Ito, Color Universal Design (2008), without yellow, which is too pale for a small marker.
_COLOURS: Final = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000")
_MARKERS: Final = "osD^vPX"
_STYLE: Final = {"svg.hashsalt": "zsad", "svg.fonttype": "path", "font.family": "DejaVu Sans", "font.size": 9}
# What would change from one drawing to the next.
_METADATA: Final = {".svg": {"Date": None, "Creator": None}, ".png": {"Software": None}}
_DPI: Final = 150

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
    # Slow to import, and the rest of the tables do without it.
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(_STYLE):
        size = (4 + 3 * len(picture.panels), 1.6 + 0.27 * len(picture.rows))
        figure = Figure(figsize=size, layout="constrained")
        every = figure.subplots(1, len(picture.panels), sharey=True, squeeze=False)[0]
        for axes, panel in zip(every, picture.panels, strict=True):
            _draw_panel(axes, panel)
        _finish(figure, every[0], picture, profile)
        with atomic_path(path) as temporary:
            figure.savefig(temporary, format=path.suffix[1:], dpi=_DPI, metadata=_METADATA[path.suffix])


def _draw_panel(axes: Any, panel: Panel) -> None:
    for index, (title, values) in enumerate(panel.series.items()):
        points = [(100 * value, row) for row, value in enumerate(values) if value is not None]
        axes.plot(
            [value for value, _ in points],
            [row for _, row in points],
            linestyle="none",
            marker=_MARKERS[index % len(_MARKERS)],
            color=_COLOURS[index % len(_COLOURS)],
            markersize=6,
            label=title,
        )
    axes.set_xlim(*_limits(panel))
    if panel.signed:
        axes.axvline(0, color="#888888", linewidth=0.8, zorder=1)
    axes.set_xlabel(panel.label)
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _limits(panel: Panel) -> tuple[float, float]:
    if not panel.signed:
        return (-2, 102)
    widest = max(
        (abs(100 * value) for values in panel.series.values() for value in values if value is not None),
        default=0.0,
    )
    return (-1.05 * max(widest, 1.0), 1.05 * max(widest, 1.0))


def _finish(figure: Any, first: Any, picture: Picture, profile: str) -> None:
    first.set_ylim(max(len(picture.rows), 1) - 0.5, -0.5)
    first.set_yticks(range(len(picture.rows)), picture.rows)
    lacks = picture.shortfall and picture.shortfall.short
    if marks := [mark for mark in (profile_mark(profile), lacks) if mark]:
        first.set_title("\n".join(marks), fontsize=8, loc="left")
    figure.legend(*first.get_legend_handles_labels(), loc="outside lower center", ncols=6, frameon=False)
