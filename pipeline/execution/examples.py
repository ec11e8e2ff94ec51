"""Which images of a cell are kept as examples, chosen while batches come, with no more maps than needed.

Kept are the anomalous images with the highest and with the lowest scores, the normal ones with the highest,
and one reference image that all cells of a subset share. The choice follows from the scores and the order of
the shard alone, so batches do not matter; at most ten small maps are in memory.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.errors import ZsadError
from pipeline.results.examples import SIDE, Example, Role, encode_heatmap

PER_ROLE: Final = 3


def reference_place(labels: NDArray[np.integer[Any]]) -> int | None:
    """The row of the image that every cell keeps: the middle one of the anomalous, None without any.

    It depends on neither method nor resolution, so it favours nobody.
    """
    places = np.flatnonzero(labels == 1)
    return int(places[len(places) // 2]) if len(places) else None


def small_maps(maps: torch.Tensor) -> torch.Tensor:
    """Maps (B, S, S) as examples have them: (B, 64, 64) float32; small ones stay as they are."""
    return torch.nn.functional.adaptive_avg_pool2d(maps.float(), SIDE)


class ExampleSelection:
    """The examples of one cell on its way.

    Args:
        labels: (N,) of the shard, 0 normal and 1 anomalous.
        names: of the N images, for messages.
    """

    def __init__(self, labels: NDArray[np.integer[Any]], names: Sequence[str]) -> None:
        self._labels = labels
        self._names = names
        self._reference = reference_place(labels)
        self._scores: dict[int, float] = {}
        self._maps: dict[int, NDArray[np.float32]] = {}

    def update(self, start: int, scores: NDArray[np.float32], maps: torch.Tensor) -> None:
        """Take in one batch.

        Args:
            start: row of its first image in the shard.
            scores: (B,) image scores.
            maps: (B, S, S) anomaly maps, or `small_maps` of them.
        """
        fresh = self._keep(dict(enumerate(scores.tolist(), start)))
        if fresh:
            small = small_maps(maps[[place - start for place in fresh]]).cpu().numpy()
            self._maps.update(zip(fresh, small, strict=True))

    @property
    def kept(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Rows (K,) of the shard that are kept so far, ascending, and their small maps (K, 64, 64)."""
        places = sorted(self._scores)
        maps = [np.zeros((0, SIDE, SIDE), np.float32), *(self._maps[place][None] for place in places)]
        return np.array(places, np.int64), np.concatenate(maps)

    def merge(self, scores: Mapping[int, float], maps: NDArray[np.float32]) -> None:
        """Take in what another selection has kept of the rows behind those so far.

        Args:
            scores: image scores by row of the shard.
            maps: (K, 64, 64) small maps of these rows.
        """
        small = dict(zip(scores, maps, strict=True))
        fresh = self._keep(scores)
        self._maps.update((place, small[place]) for place in fresh)

    def _keep(self, more: Mapping[int, float]) -> list[int]:
        """Rank `more` rows with those that are kept; which of them stay."""
        seen = self._scores | dict(more)
        anomalous, normal = self._ranked(seen, 1), self._ranked(seen, 0)
        kept = {*anomalous[:PER_ROLE], *anomalous[-PER_ROLE:], *normal[:PER_ROLE]}
        kept |= {place for place in seen if place == self._reference}
        self._scores = {place: score for place, score in seen.items() if place in kept}
        self._maps = {place: values for place, values in self._maps.items() if place in kept}
        return [place for place in self._scores if place in more]

    def finish(self) -> tuple[Example, ...]:
        """The examples in the order of the shard.

        Raises:
            ZsadError: a map has a value that is not finite; the message names the image.
        """
        roles = self._roles()
        return tuple(
            self._example(place, roles.get(place))
            for place in sorted(self._scores)
            if place in roles or place == self._reference
        )

    def _ranked(self, scores: dict[int, float], label: int) -> list[int]:
        """Rows of one label from the highest score to the lowest; of equal scores the first image first."""
        places = [place for place in scores if self._labels[place] == label]
        return sorted(places, key=lambda place: (-scores[place], place))

    def _roles(self) -> dict[int, Role]:
        """The role of each row; where anomalous images are few, half of them are found and half missed."""
        anomalous, normal = self._ranked(self._scores, 1), self._ranked(self._scores, 0)
        found = anomalous[: min(PER_ROLE, (len(anomalous) + 1) // 2)]
        missed = anomalous[len(anomalous) - min(PER_ROLE, len(anomalous) // 2) :]
        every: tuple[tuple[Role, list[int]], ...] = (
            ("found", found),
            ("missed", missed),
            ("alarm", normal[:PER_ROLE]),
        )
        return {place: role for role, places in every for place in places}

    def _example(self, place: int, role: Role | None) -> Example:
        values = self._maps[place]
        low, high = float(values.min()), float(values.max())
        if not np.isfinite([low, high]).all():
            raise ZsadError(f"{self._names[place]}: the anomaly map is not finite")
        share = (values - low) / (high - low) if high > low else np.zeros_like(values)
        heatmap = encode_heatmap(np.rint(255 * share).astype(np.uint8))
        return Example(place, role, place == self._reference, low, high, heatmap)
