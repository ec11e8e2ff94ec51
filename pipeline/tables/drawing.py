"""Dot plots: data sets from the top down, values across; every series has its own colour, marker and height.

Knows nothing of methods or metrics.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pipeline.tables.canvas import COLOURS, GRID, canvas
from pipeline.tables.shortfall import Shortfall

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
