"""Examples: the few images of a cell that a reader wants to see, each with a small heatmap.

An example points at a row of the cell's image scores and adds why it was kept and what the map looked like.
A heatmap is a grey WebP picture of `SIDE` x `SIDE` pixels, 0 at the lowest and 255 at the highest value of
the small map; `low` and `high` keep those two. It is to be looked at, not to be measured: on the miniature a
pixel is off by 1 on average and by 11 at most, for a fifth of the bytes. Which images become examples is the
business of `pipeline.execution.examples`.
"""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

SIDE: Final = 64

_QUALITY: Final = 90
_METHOD: Final = 2  # of libwebp's 0 to 6: half a millisecond a heatmap
_MAGIC: Final = (b"RIFF", b"WEBP")

Role = Literal["found", "missed", "alarm"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)

EXAMPLE_COLUMNS: Final = {
    "role": pa.string(),
    "reference": pa.bool_(),
    "low": pa.float64(),
    "high": pa.float64(),
    "heatmap": pa.binary(),
}


@dataclass(frozen=True)
class Example:
    """One image of a cell with its heatmap.

    Attributes:
        place: row of the image among the cell's scores.
        role: "found": an anomalous image among those with the highest scores; "missed": an anomalous one
            among those with the lowest; "alarm": a normal one among those with the highest. `None` for an
            image that is only the reference.
        reference: whether it is the anomalous image that every cell of the subset keeps, to be compared
            between methods.
        low: lowest value of the small map.
        high: highest value of the small map.
        heatmap: a WebP file, made by `encode_heatmap`.
    """

    place: int
    role: Role | None
    reference: bool
    low: float
    high: float
    heatmap: bytes

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """The heatmap as (SIDE, SIDE) uint8."""
        return decode_heatmap(self.heatmap)


def encode_heatmap(pixels: NDArray[np.uint8]) -> bytes:
    """The WebP file of a heatmap, (SIDE, SIDE)."""
    sink = io.BytesIO()
    Image.fromarray(pixels).save(sink, "WEBP", quality=_QUALITY, method=_METHOD)
    return sink.getvalue()


def decode_heatmap(content: bytes) -> NDArray[np.uint8]:
    """The heatmap in a file of `encode_heatmap`, (SIDE, SIDE)."""
    return np.array(Image.open(io.BytesIO(content), formats=["WEBP"]).convert("L"))


def problem(examples: Sequence[Example], images: int) -> str | None:
    """What is wrong with the examples of a cell with `images` scores, None where nothing is."""
    places = [example.place for example in examples]
    if sorted(set(places)) != places or not all(0 <= place < images for place in places):
        return f"examples stand at {places}; ascending rows among {images} images are needed"
    for example in examples:
        where = f"the example at row {example.place}"
        if example.role not in (None, *ROLES):
            return f"{where} has the role {example.role!r}"
        if (example.heatmap[:4], example.heatmap[8:12]) != _MAGIC:
            return f"{where} has a heatmap that is no WebP file"
        if not (math.isfinite(example.low) and math.isfinite(example.high) and example.low <= example.high):
            return f"{where} has a map from {example.low} to {example.high}; both must be finite and in order"
    return None
