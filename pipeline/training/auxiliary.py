"""An auxiliary set in memory: the images, masks and labels that learnt methods are tuned on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataError


@dataclass(frozen=True)
class AuxiliarySet:
    """One data set at one resolution; arrays may be memory-mapped.

    Attributes:
        name: Of the data set.
        images: uint8 (N, S, S, 3) RGB.
        masks: (N, S, S), non-zero where anomalous.
        labels: (N,), 0 normal and 1 anomalous.
        class_names: N names, as the prompts use them.

    Raises:
        DataError: the set is empty or the parts differ in length.
    """

    name: str
    images: NDArray[np.uint8]
    masks: NDArray[np.uint8]
    labels: NDArray[np.integer]
    class_names: Sequence[str]

    def __post_init__(self) -> None:
        lengths = {len(self.images), len(self.masks), len(self.labels), len(self.class_names)}
        if len(lengths) != 1 or not lengths.pop():
            raise DataError(
                f"auxiliary set {self.name}: images, masks, labels and class names must be equally many"
            )

    def __len__(self) -> int:
        return len(self.images)
