"""Photos and masks of a subset, small enough to be put into a page, and the colours of heatmaps.

They come from the prepared images, at the highest resolution that was prepared. Where those are gone (results
that were pulled without their data) there are heatmaps alone.
"""

import io
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.errors import DataError
from pipeline.shards import SubsetShard, open_subset, read_manifest

PHOTO_SIDE: Final = 160
# Perceptually even from black to yellow, so it survives print in grey and colour blindness.
HEATMAP_COLOURS: Final = "inferno"

_PHOTO_QUALITY: Final = 80


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


@cache
def palette() -> NDArray[np.uint8]:
    """256 colours, (256, 3), from the lowest to the highest value of a heatmap."""
    from matplotlib import colormaps

    colours: NDArray[np.uint8] = colormaps[HEATMAP_COLOURS](np.arange(256), bytes=True)[:, :3]
    return colours
