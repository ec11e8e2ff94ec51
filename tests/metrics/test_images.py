"""Image metrics against plain definitions, and what is undefined or refused."""

from dataclasses import astuple

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import ZsadError
from pipeline.metrics import ImageMetrics, curves, image_metrics, image_series

UNDEFINED = ImageMetrics(None, None, None)


def by_counting(labels: npt.NDArray[np.int8], scores: npt.NDArray[np.floating]) -> ImageMetrics:
    """Each value from its definition: every pair of images, every distinct threshold."""
    normal, anomalous = scores[labels == 0], scores[labels == 1]
    wins = (anomalous[:, None] > normal).mean() + (anomalous[:, None] == normal).mean() / 2
    levels = np.unique(scores)[::-1]
    tp = np.array([0, *((anomalous >= level).sum() for level in levels)])
    fp = np.array([0, *((normal >= level).sum() for level in levels)])
    ap = float((np.diff(tp) * tp[1:] / (tp[1:] + fp[1:])).sum() / anomalous.size)
    return ImageMetrics(float(wins), ap, float((2 * tp / (anomalous.size + tp + fp)).max()))


ULP = float(np.nextafter(np.float32(1), np.float32(2)))
SCORES = st.one_of(
    st.integers(-4, 4).map(lambda score: score / 8), st.sampled_from([0.0, -0.0, 1.0, ULP, 1e-45, -1e-45])
)


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), SCORES), min_size=2, max_size=40))
def test_equals_the_definitions_and_our_curves(images: list[tuple[bool, float]]) -> None:
    labels = np.array([label for label, _ in images], np.int8)
    scores = np.array([score for _, score in images], np.float32)
    got = image_metrics(labels, scores)
    if labels.min() == labels.max():
        assert got == UNDEFINED
        assert image_series(labels, scores) == {}
        return
    want = by_counting(labels, scores)
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.diff(scores[order], append=np.nan))
    tp, fp = (np.array([0, *np.cumsum(labels[order] == label)[ends]]) for label in (1, 0))
    drawn = [float(area(fp, tp)) for area in (curves.auroc, curves.average_precision, curves.f1_max)]
    assert astuple(got) == pytest.approx(astuple(want), abs=1e-12)
    assert astuple(got) == pytest.approx(drawn, abs=1e-12)


def test_many_images() -> None:
    rng = np.random.default_rng(0)
    labels = (rng.random(3000) < 0.3).astype(np.int8)
    scores = (labels + rng.normal(size=3000)).astype(np.float32)
    got, want = image_metrics(labels, scores), by_counting(labels, scores)
    assert astuple(got) == pytest.approx(astuple(want), abs=1e-12)


def test_scores_closer_than_float32_are_told_apart() -> None:
    assert image_metrics([0, 1], [1.0, 1.0 + 1e-12]).image_auroc == 1.0


@pytest.mark.parametrize("labels", [[], [0, 0], [1, 1], [1]])
def test_one_class_is_undefined(labels: list[int]) -> None:
    assert image_metrics(labels, np.arange(len(labels))) == UNDEFINED


def test_constant_scores_rank_at_chance() -> None:
    assert image_metrics([0, 1, 0, 1], [2.0] * 4) == ImageMetrics(0.5, 0.5, 2 / 3)


def test_takes_tensors() -> None:
    labels, scores = torch.tensor([0, 1, 1]), torch.tensor([0.1, 0.2, 0.3], requires_grad=True)
    assert image_metrics(labels, scores) == ImageMetrics(1.0, 1.0, 1.0)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_score_that_is_not_finite_is_named(bad: float) -> None:
    with pytest.raises(ZsadError, match="image score 1 is"):
        image_metrics([0, 1], [0.5, bad])


def test_wrong_shapes_and_labels_are_refused() -> None:
    with pytest.raises(ZsadError, match="one label and one score"):
        image_metrics([0, 1], [0.5])
    with pytest.raises(ZsadError, match="labels must be 0"):
        image_metrics([0, 255], [0.5, 0.6])
