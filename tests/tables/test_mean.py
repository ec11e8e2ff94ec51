"""Means with their uncertainty: by hand, and the coverage of intervals in a simulation."""

import math

import numpy as np
import pytest

from pipeline.cells import System
from pipeline.metrics import image_intervals, image_metrics
from pipeline.results import CellRow, spread_columns
from pipeline.tables.aggregate import SystemMeans
from pipeline.tables.expected import ExpectedSet
from pipeline.tables.mean import Mean, Z, difference, retraining

from .make import row

EXPECTED = {
    "mvtec": ExpectedSet("MVTec AD", "industrial", "object", ("image",), ("bottle", "cable")),
    "headct": ExpectedSet("HeadCT", "medical", "brain", ("image",), ("headct",)),
}


def cell(dataset: str, subset: str, share: float, se: float | None, seed: int | None = None) -> CellRow:
    spread = (
        {} if se is None else dict(zip(spread_columns("image_ap"), (se, share - se, share + se), strict=True))
    )
    method = "clip" if seed is None else "anomalyclip"
    return row(dataset, subset, method, share, seed=seed, **spread)


def means(*rows: CellRow) -> SystemMeans:
    return SystemMeans(System(rows[0].method), rows, EXPECTED)


def test_a_cell_keeps_its_own_interval() -> None:
    own = means(cell("headct", "headct", 0.9, 0.02)).over_subsets("headct", "image_ap")
    assert own.interval == (0.9 - 0.02, 0.9 + 0.02)
    assert (own.se, own.training_se) == (0.02, None)


def test_subsets_are_independent() -> None:
    own = means(cell("mvtec", "bottle", 0.8, 0.03), cell("mvtec", "cable", 0.6, 0.04))
    mean = own.over_subsets("mvtec", "image_ap")
    assert mean.se == pytest.approx(0.025)
    assert mean.interval == pytest.approx((0.7 - Z * 0.025, 0.7 + Z * 0.025))


def test_data_sets_are_independent_and_count_once() -> None:
    own = means(
        cell("mvtec", "bottle", 0.8, 0.03),
        cell("mvtec", "cable", 0.6, 0.04),
        cell("headct", "headct", 0.9, 0.06),
    )
    mean = own.over_datasets(EXPECTED, "image_ap")
    assert mean.value == pytest.approx(0.8)
    assert mean.se == pytest.approx(math.hypot(0.025, 0.06) / 2)


def test_an_average_of_one_data_set_is_that_of_the_data_set() -> None:
    own = means(cell("headct", "headct", 0.9, 0.02))
    average = own.over_datasets(["headct"], "image_ap")
    assert average == own.over_subsets("headct", "image_ap")
    assert average.interval == (0.9 - 0.02, 0.9 + 0.02)


def test_seeds_see_the_same_images() -> None:
    """Standard errors over images are averaged; from three seeds on the spread of the means comes on top."""
    rows = [
        cell("mvtec", subset, 0.7 + 0.01 * seed, 0.03, seed)
        for seed in (0, 1, 2)
        for subset in ("bottle", "cable")
    ]
    two, three = (means(*rows[:count]).over_subsets("mvtec", "image_ap") for count in (4, 6))
    assert two.se == three.se == pytest.approx(0.03 / math.sqrt(2))
    assert two.training_se == pytest.approx(retraining("image_ap", 2).deviation / math.sqrt(2))
    assert three.training_se == pytest.approx(0.01 / math.sqrt(3))
    assert two.interval == pytest.approx((0.705 - Z * 0.03 / 2**0.5, 0.705 + Z * 0.03 / 2**0.5))
    # Student's t with 421 degrees of freedom by Satterthwaite's rule: 1.9656.
    half = 1.9656 * math.hypot(0.03 / 2**0.5, 0.01 / 3**0.5)
    assert three.interval == pytest.approx((0.71 - half, 0.71 + half), abs=1e-6)
    assert three.seeds == (0, 1, 2)


def test_a_spread_of_three_trainings_is_itself_uncertain() -> None:
    """Where images add nothing, Student's t with two degrees of freedom remains: 4.3027."""
    half = 4.3027 * 0.01 / 3**0.5
    mean = Mean(0.5, se=0.0, by_seed=(0.49, 0.5, 0.51), seeds=(0, 1, 2))
    assert mean.interval == pytest.approx((0.5 - half, 0.5 + half), abs=1e-6)


def test_without_the_error_of_one_subset_there_is_none() -> None:
    own = means(cell("mvtec", "bottle", 0.8, 0.03), cell("mvtec", "cable", 0.6, None))
    mean = own.over_subsets("mvtec", "image_ap")
    assert (mean.se, mean.interval) == (None, None)


def test_a_single_training_is_as_uncertain_as_is_usual() -> None:
    one = means(cell("headct", "headct", 0.9, 0.02, 111)).over_subsets("headct", "image_ap")
    assert one.training_se == retraining("image_ap", 1).deviation
    assert one.interval == (0.9 - 0.02, 0.9 + 0.02)


def test_intervals_stay_in_the_range() -> None:
    assert Mean(0.99, se=0.02).interval == pytest.approx((0.99 - Z * 0.02, 1))
    assert difference(Mean(0.1, se=0.03), Mean(0.98, se=0.04)).interval == pytest.approx(
        (-0.978, -0.782), abs=1e-3
    )
    least = difference(Mean(0.01, se=0.03), Mean(0.99, se=0.04)).interval
    assert least == pytest.approx((-1, -0.882), abs=1e-3)


def test_a_difference_without_a_value_has_none() -> None:
    assert difference(Mean(None), Mean(0.5)).value is None


def simulated(subset: str, rng: np.random.Generator) -> CellRow:
    """A cell of 30 normal and 40 anomalous images whose scores are one standard deviation apart."""
    labels = np.repeat([0, 1], [30, 40])
    scores = rng.normal(labels)
    values = image_metrics(labels, scores)
    spread = dict(
        zip(
            spread_columns("image_auroc"),
            image_intervals(labels, scores, values)["image_auroc"],
            strict=True,
        )
    )
    return row("mvtec", subset, "clip", 0.5, image_auroc=values.image_auroc, **spread)


def test_coverage_of_cells_and_of_means_over_subsets() -> None:
    """95 % intervals must hold the true image AUROC, which theory gives as 0.7602.

    150 runs of 6 subsets. Their own noise is 1.8 points of coverage for means and 0.7 for cells.
    """
    rng = np.random.default_rng(1)
    truth = 0.5 * (1 + math.erf(0.5))
    subsets = tuple(f"s{index}" for index in range(6))
    expected = {"mvtec": ExpectedSet("S", "industrial", "object", ("image",), subsets)}
    cells, held = [], []
    for _ in range(150):
        rows = [simulated(subset, rng) for subset in subsets]
        own = SystemMeans(System("clip"), rows, expected)
        cells += [_holds(own.over_seeds("mvtec", subset, "image_auroc"), truth) for subset in subsets]
        held.append(_holds(own.over_subsets("mvtec", "image_auroc"), truth))
    assert 0.93 <= np.mean(cells) <= 0.97
    assert 0.91 <= np.mean(held) <= 0.99


def _holds(mean: Mean, truth: float) -> bool:
    ends = mean.interval
    assert ends is not None
    return ends[0] <= truth <= ends[1]
