"""Which images a cell keeps, against a choice over everything at once; and what their heatmaps show."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import ZsadError
from pipeline.execution.examples import PER_ROLE, ExampleSelection, reference_place
from pipeline.results import SIDE, Example, decode_heatmap

SIZE = 2 * SIDE


def maps_of(scores: list[int]) -> torch.Tensor:
    """A map an image: a ramp from the image's place upwards, so that every one has its own range."""
    ramp = torch.linspace(0, 1, SIZE).expand(SIZE, SIZE)
    return torch.stack([place + score * ramp for place, score in enumerate(scores)])


def select(labels: list[int], scores: list[int], batch: int) -> tuple[Example, ...]:
    selection = ExampleSelection(np.array(labels), [f"{place}.png" for place in range(len(labels))])
    maps = maps_of(scores)
    for start in range(0, len(labels), batch):
        part = slice(start, start + batch)
        selection.update(start, np.array(scores[part], np.float32), maps[part])
        assert len(selection._maps) <= 3 * PER_ROLE + 1
    return selection.finish()


def expected_roles(labels: list[int], scores: list[int]) -> dict[int, str | None]:
    """By sorting all images."""
    places = sorted(range(len(labels)), key=lambda place: (-scores[place], place))
    anomalous = [place for place in places if labels[place] == 1]
    normal = [place for place in places if labels[place] == 0]
    half = len(anomalous) / 2
    found = anomalous[: min(3, int(np.ceil(half)))]
    missed = anomalous[::-1][: min(3, int(np.floor(half)))]
    roles: dict[int, str | None] = dict.fromkeys(normal[:3], "alarm")
    roles |= dict.fromkeys(found, "found") | dict.fromkeys(missed, "missed")
    if anomalous:
        roles.setdefault(sorted(anomalous)[len(anomalous) // 2], None)
    return roles


@settings(deadline=None, max_examples=40)
@given(
    images=st.lists(st.tuples(st.integers(0, 1), st.integers(0, 6)), min_size=1, max_size=24),
    batch=st.integers(1, 25),
)
def test_the_choice_is_that_over_all_images_whatever_the_batches(
    images: list[tuple[int, int]], batch: int
) -> None:
    labels, scores = [label for label, _ in images], [score for _, score in images]
    chosen = select(labels, scores, batch)
    assert {example.place: example.role for example in chosen} == expected_roles(labels, scores)
    assert [example.place for example in chosen if example.reference] == [
        place for place in [reference_place(np.array(labels))] if place is not None
    ]
    assert chosen == select(labels, scores, len(labels))


def test_a_heatmap_is_the_map_in_small_between_its_lowest_and_highest_value() -> None:
    (example,) = select([1], [3], 1)
    ramp = np.linspace(0, 1, SIZE)[None].repeat(SIZE, 0)
    small = 3 * ramp.reshape(SIDE, 2, SIDE, 2).mean((1, 3))
    assert example.low == pytest.approx(small.min())
    assert example.high == pytest.approx(small.max())
    wanted = 255 * (small - small.min()) / (small.max() - small.min())
    got = decode_heatmap(example.heatmap)
    assert got.shape == (SIDE, SIDE)
    assert np.abs(got - wanted).max() <= 4


def test_a_flat_map_is_dark_all_over() -> None:
    (example,) = select([0], [0], 1)
    assert example.low == example.high == 0
    assert decode_heatmap(example.heatmap).max() <= 1


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_map_that_is_not_finite_is_named(bad: Any) -> None:
    selection = ExampleSelection(np.array([1]), ["broken/001.png"])
    maps = torch.zeros(1, SIZE, SIZE)
    maps[0, 3, 3] = bad
    selection.update(0, np.zeros(1, np.float32), maps)
    with pytest.raises(ZsadError, match=r"broken/001\.png: the anomaly map is not finite"):
        selection.finish()
