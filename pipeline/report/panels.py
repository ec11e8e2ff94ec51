"""Grids of pictures: data sets in rows; image, mask and one heatmap an entry in columns."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.report.canvas import canvas
from pipeline.report.pictures import HEATMAP_COLOURS, Pictures
from pipeline.report.sources import Sources
from pipeline.results import decode_heatmap
from pipeline.tables.aggregate import Entry

_INCHES: Final = 0.95  # of one picture


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
    examples = sources.examples.get((dataset, subset))
    if examples is None or (reference := examples[examples["reference"]]).empty:
        return None
    pictures = Pictures(sources.shards / dataset, subset)
    image = str(reference["image"].iloc[0])
    photo, mask = pictures.photo(image), pictures.mask(image)
    heatmaps = tuple(_heatmap(reference, column.entry) for column in columns)
    if photo is None or mask is None or not any(values is not None for values in heatmaps):
        return None
    return Row(sources.expected[dataset].title, subset, photo, mask, heatmaps)


def _heatmap(reference: pd.DataFrame, entry: Entry) -> NDArray[np.uint8] | None:
    """Of the first seed."""
    own = reference[(reference["method"] == entry.method) & (reference["variant"] == entry.variant)]
    return None if own.empty else decode_heatmap(own["heatmap"].iloc[0])


def picture_panels(rows: Sequence[Row], columns: Sequence[Column], profile: str, path: Path) -> None:
    """Draw the grid; an entry without a heatmap has an empty place."""
    titles = ["Image", "Mask", *(column.title for column in columns)]
    size = (_INCHES * len(titles) + 0.9, _INCHES * len(rows) + 0.6)
    with canvas(path, size, profile) as figure:
        grid = figure.subplots(len(rows), len(titles), squeeze=False)
        for line, row in zip(grid, rows, strict=True):
            line[0].imshow(row.photo)
            line[1].imshow(row.mask, cmap="gray", vmin=0, vmax=1)
            for axes, values in zip(line[2:], row.heatmaps, strict=True):
                if values is not None:
                    axes.imshow(values, cmap=HEATMAP_COLOURS, vmin=0, vmax=255, interpolation="bilinear")
            line[0].set_ylabel(f"{row.title}\n{row.subset}", rotation=0, ha="right", va="center", fontsize=7)
        for axes, title in zip(grid[0], titles, strict=True):
            axes.set_title(title, fontsize=7)
        for axes in grid.flat:
            axes.set_xticks([])
            axes.set_yticks([])
            axes.spines[:].set_visible(False)
