"""Photos, masks and heatmaps: small files for the page, and figures that are grids of them.

Photos and masks come from the prepared images, at the highest resolution that was prepared. Where those are
gone (results that were pulled without their data) there are heatmaps alone. In a figure, data sets stand in
rows; image, mask and one heatmap of each system in columns.
"""

import io
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from textwrap import wrap
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.cells import System
from pipeline.errors import DataError
from pipeline.report.sources import Shown, Sources
from pipeline.results import decode_heatmap
from pipeline.shards import SubsetShard, open_subset, read_manifest
from pipeline.tables.figures import canvas
from pipeline.tables.outcome import Outcome

PHOTO_SIDE: Final = 256
# Perceptually even from black to yellow, so it survives print in grey and colour blindness.
HEATMAP_COLOURS: Final = "inferno"

_PHOTO_QUALITY: Final = 80
_INCHES: Final = 0.95  # of one picture and its gap
_GAP: Final = 0.02
_LABEL: Final = 14  # letters in a line of a row's label
_MASK: Final = {"cmap": "gray", "vmin": 0, "vmax": 1}
_HEATMAP: Final = {"cmap": HEATMAP_COLOURS, "vmin": 0, "vmax": 255}

Panels = Mapping[tuple[str, str], Sequence[NDArray[np.uint8] | None]]
"""Data set and subset to photo (S, S, 3), mask (S, S) of 0 and 1, and a heatmap (SIDE, SIDE) of each system.

A system without a heatmap has None.
"""


class Pictures:
    """Pictures of one subset by image name.

    Args:
        folder: of the prepared data set.
        subset: its name.
    """

    def __init__(self, folder: Path, subset: str) -> None:
        self._shard = _open(folder, subset)
        names = self._shard.paths if self._shard else ()
        self._places = {name: place for place, name in enumerate(names)}

    def photo(self, image: str) -> NDArray[np.uint8] | None:
        """(S, S, 3) RGB, None where the image is not at hand."""
        place = self._places.get(image)
        return None if place is None or self._shard is None else np.array(self._shard.images[place])

    def mask(self, image: str) -> NDArray[np.uint8] | None:
        """(S, S) of 0 and 1, None where there is none."""
        place = self._places.get(image)
        if place is None or self._shard is None:
            return None
        masks = self._shard.masks(place, place + 1)
        return None if masks is None else masks[0]

    def photo_file(self, image: str) -> bytes | None:
        """The photo as WebP with a side of at most `PHOTO_SIDE`."""
        pixels = self.photo(image)
        return None if pixels is None else _file(pixels, "WEBP", quality=_PHOTO_QUALITY)

    def mask_file(self, image: str) -> bytes | None:
        """The mask in white on black as PNG, likewise."""
        pixels = self.mask(image)
        return None if pixels is None else _file(255 * pixels, "PNG", bits=1)


@cache
def palette() -> NDArray[np.uint8]:
    """256 colours, (256, 3), from the lowest to the highest value of a heatmap."""
    from matplotlib import colormaps

    colours: NDArray[np.uint8] = colormaps[HEATMAP_COLOURS](np.arange(256), bytes=True)[:, :3]
    return colours


def panels(sources: Sources, systems: Sequence[System]) -> Panels:
    """The reference image of the middle subset of every data set with masks, as far as one is at hand."""
    found = {}
    for dataset, record in sources.outcome.expected.items():
        if "pixel" not in record.tasks:
            continue
        subset = record.subsets[len(record.subsets) // 2]
        if row := _row(sources, dataset, subset, systems):
            found[dataset, subset] = row
    return found


def draw_panels(found: Panels, outcome: Outcome, titles: Sequence[str], path: Path) -> None:
    """Draw the grid; a system without a heatmap has an empty place.

    Args:
        found: the pictures.
        outcome: the part of the run that they are from.
        titles: of the systems.
        path: where to, as `.svg` or `.png`.
    """
    titles = ["Image", "Mask", *titles]
    size = (_INCHES * len(titles) + 1.1, _INCHES * len(found) + 0.5)
    with canvas(path, size, outcome) as figure:
        # One pair of axes for all pictures: hundreds of them would take a minute.
        axes = figure.subplots()
        axes.set_axis_off()
        for line, ((dataset, subset), pictures) in enumerate(found.items()):
            label = "\n".join([outcome.expected[dataset].title, *wrap(subset, _LABEL)])
            axes.text(-0.05, -line - 0.5, label, ha="right", va="center", fontsize=7)
            for column, pixels in enumerate(pictures):
                options = {0: {}, 1: _MASK}.get(column, _HEATMAP)
                if pixels is not None:
                    _put(axes, pixels, column, line, **options)
        for column, title in enumerate(titles):
            axes.text(column + 0.5, 0.06, title.replace(" ", "\n", 1), ha="center", va="bottom", fontsize=7)
        axes.set_xlim(0, len(titles))
        axes.set_ylim(-len(found), 0)
        axes.set_aspect("equal")


def _open(folder: Path, subset: str) -> SubsetShard | None:
    try:
        sizes = read_manifest(folder).subset(subset).digests
        return open_subset(folder, subset, max(sizes, default=0))
    except DataError:
        return None


def _file(pixels: NDArray[np.uint8], form: str, **options: Any) -> bytes:
    image = Image.fromarray(pixels)
    image.thumbnail((PHOTO_SIDE, PHOTO_SIDE))
    sink = io.BytesIO()
    image.save(sink, form, **options)
    return sink.getvalue()


def _row(
    sources: Sources, dataset: str, subset: str, systems: Sequence[System]
) -> list[NDArray[np.uint8] | None] | None:
    found: dict[System, Shown] = {}
    for row in sources.by_subset.get((dataset, subset), []):
        for example in sources.examples.get(row.key, ()):
            if example.reference:
                found.setdefault(System(row.method, row.variant), example)  # of the first seed
    own = [found.get(system) for system in systems]
    shown = [example for example in own if example is not None]
    if not shown:
        return None
    pictures = Pictures(sources.shards / dataset, subset)
    photo, mask = pictures.photo(shown[0].image), pictures.mask(shown[0].image)
    if photo is None or mask is None:
        return None
    return [photo, mask, *(None if it is None else decode_heatmap(it.heatmap) for it in own)]


def _put(axes: Any, pixels: NDArray[np.uint8], column: int, line: int, **options: Any) -> None:
    """Draw a picture into the unit square of its place, as it is: the viewer smooths it."""
    extent = (column + _GAP, column + 1 - _GAP, -line - 1 + _GAP, -line - _GAP)
    axes.imshow(pixels, extent=extent, interpolation="none", **options)
