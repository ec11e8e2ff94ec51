"""Examples: the few images of a cell that a reader wants to see, each with a small heatmap.

An example points at a row of the cell's image scores and adds why it was kept and what the map looked like.
A heatmap has `SIDE` x `SIDE` bytes, 0 at the lowest and 255 at the highest value of the small map; `low` and
`high` keep those two values. Which images become examples is the business of `pipeline.execution.examples`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

SIDE: Final = 64

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
        heatmap: its `SIDE` * `SIDE` bytes, row by row from the top left.
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
        return np.frombuffer(self.heatmap, np.uint8).reshape(SIDE, SIDE)


def problem(examples: Sequence[Example], images: int) -> str | None:
    """What is wrong with the examples of a cell with `images` scores, None where nothing is."""
    places = [example.place for example in examples]
    if sorted(set(places)) != places or not all(0 <= place < images for place in places):
        return f"examples stand at {places}; ascending rows among {images} images are needed"
    for example in examples:
        where = f"the example at row {example.place}"
        if example.role not in (None, *ROLES):
            return f"{where} has the role {example.role!r}"
        if len(example.heatmap) != SIDE * SIDE:
            return f"{where} has a heatmap of {len(example.heatmap)} bytes; {SIDE * SIDE} are needed"
        if not (math.isfinite(example.low) and math.isfinite(example.high) and example.low <= example.high):
            return f"{where} has a map from {example.low} to {example.high}; both must be finite and in order"
    return None
