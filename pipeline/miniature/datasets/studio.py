"""The studio of one subset takes its pictures, normal and with defects; a job says what is written where.

The seed of a picture is a digest of (seed, data set, subset, what, number), so one data set can be drawn
without the others and one picture without its neighbours. What all pictures of a subset share is drawn once.
Files are written with fixed encoder settings (PNG, JPEG or BMP by their suffix, masks 8-bit grey, 0 and 255),
so that the same picture is the same bytes.
"""

import hashlib
import io
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage

from pipeline.files import write_bytes
from pipeline.miniature.datasets.specification import FEWER, SURFACE, DatasetSpec, SubsetSpec
from pipeline.miniature.drawing import (
    COLOURS,
    ORGANS,
    Look,
    Picture,
    add_defect,
    draw_object,
    draw_organ,
    draw_surface,
    ramp,
)
from pipeline.miniature.drawing.colour import varied
from pipeline.miniature.drawing.plane import Image, Mask, Size

Pixels = npt.NDArray[np.uint8]
"""(h, w) grey or (h, w, 3) RGB."""

_JPEG_QUALITY = 90
_APPARENT = (
    0.1  # of the range of a channel: what a picture must lose by a missing item to be part of the mask
)
_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".bmp": "BMP"}
Counts = dict[str, tuple[int, int]]
"""Subset to (normal, anomalous) test images."""
NOTE = (
    "Miniature stand-in, drawn by a program. It has the folder layout of the data set whose name it bears\n"
    "and none of its images. Made by `python -m pipeline.miniature.datasets`; CC0.\n"
)
"""What stands where the publisher puts a licence or a readme."""


def generator(*key: object) -> np.random.Generator:
    """A generator seeded by the digest of `key`: the same on every machine and in every process."""
    digest = hashlib.sha256("\x1f".join(map(str, key)).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "big"))


@dataclass(frozen=True)
class Defective:
    """A picture with defects: pixels, and the exact mask (h, w) of all of them."""

    pixels: Pixels
    mask: Mask


@dataclass(frozen=True)
class Studio:
    """Takes the pictures of one subset."""

    seed: int
    dataset: str
    subset: str
    spec: SubsetSpec

    @cached_property
    def look(self) -> Look:
        """What all pictures of this subset share."""
        rng = generator(self.seed, self.dataset, self.subset, "look")
        spec = self.spec
        backdrop = ramp(varied(COLOURS[spec.backdrop_colour], rng), contrast=0.35)
        return Look(
            palette=ramp(varied(COLOURS[spec.colour], rng), contrast=spec.contrast),
            surface=spec.surface,
            backdrop_palette=backdrop,
            backdrop=spec.backdrop,
            count=spec.count,
            slender=spec.slender,
            extent=spec.extent,
            turn=spec.turn,
            grain=spec.grain,
            scale=spec.scale * float(rng.uniform(0.92, 1.08)),
        )

    def normal(self, *key: object) -> Pixels:
        """A picture without defects; another `key`, another picture."""
        return self._developed(self._picture(self._rng(*key)).image)

    def defective(self, folder: str, *key: object) -> Defective:
        """A picture with the defects of one published folder."""
        rng, sizes = self._rng(folder, *key), self._rng("area", folder, *key)
        picture = self._picture(rng)
        masks = []
        for kind in self.spec.defects[folder]:
            strength, scale = rng.uniform(*self.spec.strength), sizes.uniform(*self.spec.area)
            if kind == FEWER:
                image, mask = self._with_fewer(picture, self._rng(folder, *key))
            else:
                image, mask = add_defect(kind, picture, rng, strength=strength, scale=scale)
            picture = replace(picture, image=image)
            masks.append(mask)
        return Defective(self._developed(picture.image), np.any(masks, axis=0))

    def anomalous(self, *key: object) -> Defective:
        """A picture with the defects of the only folder."""
        (folder,) = self.spec.defects
        return self.defective(folder, *key)

    def _with_fewer(self, picture: Picture, rng: np.random.Generator) -> tuple[Image, Mask]:
        """The same picture from the same chance with one item less, which is nowhere wrong to look at."""
        image = self._picture(rng, replace(self.look, count=self.look.count - 1)).image
        return image, np.abs(image - picture.image).max(axis=2) > _APPARENT

    def _rng(self, *key: object) -> np.random.Generator:
        return generator(self.seed, self.dataset, self.subset, *key)

    def _picture(self, rng: np.random.Generator, look: Look | None = None) -> Picture:
        size, look = self._size(rng), look or self.look
        if self.spec.draw in ORGANS:
            return draw_organ(self.spec.draw, size, rng)
        if self.spec.draw == SURFACE:
            return draw_surface(size, rng, look=look)
        return draw_object(self.spec.draw, size, rng, look=look)

    def _size(self, rng: np.random.Generator) -> Size:
        """Height and width of one image."""
        width, height = self.spec.size
        by_height, by_width = 1 + self.spec.spread * rng.uniform(-1, 1, 2)
        return round(height * by_height), round(width * by_width)

    def _developed(self, image: Image) -> Pixels:
        """8-bit pixels, one channel where the files have one."""
        colours = image.mean(axis=2) if self.spec.grey else image
        return np.rint(np.asarray(colours, dtype=np.float64) * 255).astype(np.uint8)


def encoded(pixels: Pixels, suffix: str) -> bytes:
    """`pixels` as the content of a file with this suffix."""
    kind = _FORMATS[suffix.lower()]
    options = {"JPEG": {"quality": _JPEG_QUALITY, "subsampling": 0}, "PNG": {"compress_level": 9}, "BMP": {}}[
        kind
    ]
    buffer = io.BytesIO()
    PillowImage.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def save(path: Path, pixels: Pixels) -> None:
    """Write an image."""
    write_bytes(path, encoded(pixels, path.suffix))


def save_mask(path: Path, mask: Mask) -> None:
    """Write a mask: 255 where it is True; a JPEG gets the grey values that its compression makes."""
    save(path, mask.astype(np.uint8) * 255)


@dataclass(frozen=True)
class Job:
    """What a writer needs to know."""

    name: str
    spec: DatasetSpec
    seed: int
    root: Path

    def studio(self, subset: str) -> Studio:
        """The studio that takes the pictures of one subset."""
        return Studio(self.seed, self.name, subset, self.spec.subsets[subset])

    def counts(self) -> Counts:
        """The counts of a data set whose subsets all have as many images as the specification says."""
        return dict.fromkeys(self.spec.subsets, (self.spec.normal, self.spec.anomalous))

    def only_studio(self) -> Studio:
        """The studio of a data set with a single subset."""
        (subset,) = self.spec.subsets
        return self.studio(subset)
