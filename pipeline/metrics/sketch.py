"""What intervals keep of each image: a few kilobytes that stand for its pixels.

Normal and anomalous pixels of an image are cut, in order of score, into strata of equal size, and a stratum
is kept as its middle score. So any share of the image's pixels is known to 1/256 (1/128 of the anomalous
ones), whatever the scale of the scores. Sketches serve intervals only; values come from all pixels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.metrics.arrays import Ints, Keys
from pipeline.metrics.ranking import sort_hits
from pipeline.metrics.regions import ImageRegions

NORMAL_STRATA, HIT_STRATA = 256, 128
_SAMPLE = 1 << 14
"""Pixels that the normal strata are cut from, evenly spread over the image: 64 a stratum."""


@dataclass(frozen=True, slots=True)
class ImageSketch:
    """One image of a subset.

    Attributes:
        name: the image; "" when the state was not told.
        low: lowest score.
        high: highest score.
        normals: number of normal pixels.
        normal_keys: ascending middles of strata that share the normal pixels equally.
        anomalous: number of anomalous pixels.
        hit_keys: ascending middles of strata of the anomalous pixels.
        cover: region weight of each.
    """

    name: str
    low: np.float32
    high: np.float32
    normals: int
    normal_keys: Keys
    anomalous: int
    hit_keys: Keys
    cover: Ints

    @property
    def hits(self) -> Ints:
        """Anomalous pixels of each stratum."""
        return np.diff(cuts(self.anomalous, self.hit_keys.size))

    @property
    def order(self) -> tuple[str, bytes, bytes]:
        """What sketches are sorted by, so that intervals do not depend on the order of merging."""
        return self.name, self.normal_keys.tobytes(), self.hit_keys.tobytes()


def sketch_arrays(sketches: Sequence[ImageSketch]) -> dict[str, npt.NDArray[Any]]:
    """What `sketches_of` makes the sketches of again, but for their names; strata lie image by image."""
    return {
        "ends": np.array([[it.low, it.high] for it in sketches], np.float32).reshape(-1, 2),
        "sizes": np.array([[it.normals, it.anomalous] for it in sketches], np.int64).reshape(-1, 2),
        "strata": np.array([[it.normal_keys.size, it.hit_keys.size] for it in sketches], np.int64).reshape(
            -1, 2
        ),
        "normal_keys": np.concatenate([np.zeros(0, np.uint32), *(it.normal_keys for it in sketches)]),
        "hit_keys": np.concatenate([np.zeros(0, np.uint32), *(it.hit_keys for it in sketches)]),
        "cover": np.concatenate([np.zeros(0, np.int64), *(it.cover for it in sketches)]),
    }


def sketches_of(arrays: Mapping[str, npt.NDArray[Any]], names: Sequence[str]) -> list[ImageSketch]:
    """The sketches that `arrays` were made of.

    Args:
        arrays: of `sketch_arrays`.
        names: of the images.

    Raises:
        ValueError: they are those of another number of images.
    """
    cuts_of = np.cumsum(arrays["strata"], axis=0)[:-1]
    normal_keys = np.split(arrays["normal_keys"], cuts_of[:, 0])
    hit_keys, cover = (np.split(arrays[name], cuts_of[:, 1]) for name in ("hit_keys", "cover"))
    columns = zip(names, arrays["ends"], arrays["sizes"].tolist(), normal_keys, hit_keys, cover, strict=True)
    return [
        ImageSketch(name, low, high, normals, normal, anomalous, hit, weights)
        for name, (low, high), (normals, anomalous), normal, hit, weights in columns
    ]


def sketch_image(
    name: str,
    ends: tuple[np.float32, np.float32],
    keys: Keys,
    regions: ImageRegions,
    hits: tuple[Keys, Ints],
) -> ImageSketch:
    """Sketch of one image.

    Args:
        name: the image.
        ends: its lowest and highest score.
        keys: (pixels,) score keys in the order of the map.
        regions: regions of its mask.
        hits: keys and region weights of the anomalous pixels, in any order.
    """
    normal_keys = np.sort(_normal_sample(keys, regions))
    hit_keys, weights = sort_hits(*hits)
    bounds = cuts(hit_keys.size, HIT_STRATA)
    return ImageSketch(
        name,
        *ends,
        keys.size - hit_keys.size,
        normal_keys[middles(cuts(normal_keys.size, NORMAL_STRATA))],
        hit_keys.size,
        hit_keys[middles(bounds)],
        np.add.reduceat(weights, bounds[:-1]) if weights.size else weights,
    )


def _normal_sample(keys: Keys, regions: ImageRegions) -> Keys:
    normal = np.ones(keys.size, np.bool_)
    normal[regions.pixels] = False
    step = sample_step(keys.size)
    sample = keys[::step][normal[::step]]
    return sample if sample.size else keys[normal]


def sample_step(pixels: int) -> int:
    """Every how many pixels of a map of `pixels` one is sampled."""
    return pixels // _SAMPLE | 1  # odd: does not fall into step with the rows of the map


def cuts(size: int, most: int) -> Ints:
    """Start of each of at most `most` equal parts of `size` sorted items, and the end of the last."""
    count = min(size, most)
    return np.arange(count + 1, dtype=np.int64) * size // max(count, 1)


def middles(bounds: Ints) -> Ints:
    """Place of the middle item of each part between `cuts`."""
    return (bounds[:-1] + bounds[1:]) // 2
