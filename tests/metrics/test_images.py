"""Image metrics against scikit-learn, and what is undefined or refused."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from pipeline.errors import ZsadError
from pipeline.metrics import ImageMetrics, image_metrics

from .reference import f1_max

UNDEFINED = ImageMetrics(None, None, None)


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(-4, 4)), min_size=2, max_size=40))
def test_equals_scikit_learn_with_ties(images: list[tuple[bool, int]]) -> None:
    labels = np.array([label for label, _ in images], np.int8)
    scores = np.array([score / 8 for _, score in images])
    got = image_metrics(labels, scores)
    if labels.min() == labels.max():
        assert got == UNDEFINED
        return
    assert got.image_auroc == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
    assert got.image_ap == pytest.approx(average_precision_score(labels, scores), abs=1e-12)
    assert got.image_f1_max == pytest.approx(f1_max(labels, scores), abs=1e-12)


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
