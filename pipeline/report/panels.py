"""Grids of pictures: data sets in rows; image, mask and one heatmap an entry in columns."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipeline.report.pictures import HEATMAP_COLOURS, Pictures
from pipeline.report.sources import Shown, Sources
from pipeline.results import decode_heatmap
from pipeline.tables.aggregate import Entry
from pipeline.tables.canvas import canvas

_INCHES: Final = 0.95  # of one picture and its gap
_GAP: Final = 0.02
_LABEL: Final = 14  # letters in a line of a row's label


@dataclass(frozen=True)
class Column:
    """An entry and what its column is called."""

    entry: Entry
    title: str


@dataclass(frozen=True)
class Row:
    """One image with its heatmaps, None where an entry has none.

    Attributes:
        photo: (S, S, 3) RGB.
        mask: (S, S) of 0 and 1.
        heatmaps: (SIDE, SIDE) each, in the order of the columns.
    """

    title: str
    subset: str
    photo: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    heatmaps: tuple[NDArray[np.uint8] | None, ...]


def panel_rows(sources: Sources, columns: Sequence[Column]) -> list[Row]:
    """The reference image of the middle subset of every data set with masks, as far as one is at hand."""
    rows = []
    for dataset, record in sources.expected.items():
        if "pixel" not in record.tasks:
            continue
        subset = record.subsets[len(record.subsets) // 2]
        if row := _row(sources, dataset, subset, columns):
            rows.append(row)
    return rows


def _row(sources: Sources, dataset: str, subset: str, columns: Sequence[Column]) -> Row | None:
    found: dict[Entry, Shown] = {}
    for row in sources.by_subset.get((dataset, subset), []):
        for example in sources.examples.get(row.key, ()):
            if example.reference:
                found.setdefault(Entry(row.method, row.variant), example)  # of the first seed
    own = [found.get(column.entry) for column in columns]
    shown = [example for example in own if example is not None]
    if not shown:
        return None
    pictures = Pictures(sources.shards / dataset, subset)
    photo, mask = pictures.photo(shown[0].image), pictures.mask(shown[0].image)
    if photo is None or mask is None:
        return None
    heatmaps = tuple(None if example is None else decode_heatmap(example.heatmap) for example in own)
    return Row(sources.expected[dataset].title, subset, photo, mask, heatmaps)


def picture_panels(rows: Sequence[Row], columns: Sequence[Column], profile: str, path: Path) -> None:
    """Draw the grid; an entry without a heatmap has an empty place."""
    titles = ["Image", "Mask", *(column.title for column in columns)]
    size = (_INCHES * len(titles) + 1.1, _INCHES * len(rows) + 0.5)
    with canvas(path, size, profile) as figure:
        # One pair of axes for all pictures: hundreds of them would take a minute.
        axes = figure.subplots()
        axes.set_axis_off()
        for line, row in enumerate(rows):
            place = -line - 0.5
            label = "\n".join([row.title, *wrap(row.subset, _LABEL)])
            axes.text(-0.05, place, label, ha="right", va="center", fontsize=7)
            _put(axes, row.photo, 0, line)
            _put(axes, row.mask, 1, line, cmap="gray", vmin=0, vmax=1)
            for column, values in enumerate(row.heatmaps, 2):
                if values is not None:
                    _put(axes, values, column, line, cmap=HEATMAP_COLOURS, vmin=0, vmax=255)
        for column, title in enumerate(titles):
            axes.text(column + 0.5, 0.06, title.replace(" ", "\n", 1), ha="center", va="bottom", fontsize=7)
        axes.set_xlim(0, len(titles))
        axes.set_ylim(-len(rows), 0)
        axes.set_aspect("equal")


def _put(axes: Any, pixels: NDArray[np.uint8], column: int, line: int, **options: Any) -> None:
    """Draw a picture into the unit square of its place, as it is: the viewer smooths it."""
    extent = (column + _GAP, column + 1 - _GAP, -line - 1 + _GAP, -line - _GAP)
    axes.imshow(pixels, extent=extent, interpolation="none", **options)
