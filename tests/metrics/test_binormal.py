"""The model's values, spreads and chances, against samples drawn from it."""

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.metrics import curves
from pipeline.metrics.binormal import F1_EXCESS, binormal

RNG = np.random.default_rng(6)
METRICS = {
    "image_auroc": curves.auroc,
    "image_ap": curves.average_precision,
    "image_f1_max": curves.f1_max,
}


def samples(normal: int, anomalous: int, shift: float, count: int) -> dict[str, NDArray[np.float64]]:
    """Metrics (count,) of samples whose classes are `shift` apart."""
    labels = np.repeat([0, 1], [normal, anomalous])
    scores = RNG.normal(shift * labels, size=(count, labels.size))
    truth = labels[np.argsort(-scores, 1)]
    counts = [np.pad(np.cumsum(truth == label, 1), ((0, 0), (1, 0))) for label in (0, 1)]
    return {name: metric(*counts) for name, metric in METRICS.items()}


@pytest.mark.parametrize(("normal", "anomalous", "shift"), [(20, 60, 1.8), (100, 40, 1.0), (60, 60, 2.6)])
def test_values_and_spreads_are_those_of_samples(normal: int, anomalous: int, shift: float) -> None:
    laws = binormal(normal, anomalous).laws
    crowd = samples(normal * 1000, anomalous * 1000, shift, 1)
    for name, values in samples(normal, anomalous, shift, 3000).items():
        place = np.interp(float(crowd[name][0]), laws[name].value, np.arange(laws[name].value.size))
        error = float(np.interp(place, np.arange(laws[name].error.size), laws[name].error))
        assert error == pytest.approx(values.std(), rel=0.2 if name == "image_f1_max" else 0.08), name
        excess = F1_EXCESS * error if name == "image_f1_max" else 0
        assert values.mean() == pytest.approx(float(crowd[name][0]) + excess, abs=0.4 * error), name


def test_auroc_has_the_exact_variance() -> None:
    """One image a class: a pair is in order or not."""
    law = binormal(1, 1).laws["image_auroc"]
    assert law.error == pytest.approx(np.sqrt(law.value * (1 - law.value)), rel=1e-9)


def test_the_chance_of_perfect_separation() -> None:
    """In one of twenty samples both classes are apart where the bound lies."""
    bound = binormal(20, 60).bounds["image_auroc"]
    assert bound == pytest.approx(0.9864, abs=2e-4)
    shift = float(np.interp(bound, binormal(20, 60).laws["image_auroc"].value, np.linspace(-2, 9, 120)))
    assert (samples(20, 60, shift, 4000)["image_auroc"] == 1).mean() == pytest.approx(0.05, abs=0.012)


def test_more_images_bound_more_closely() -> None:
    for name in METRICS:
        assert (
            binormal(2, 2).bounds[name] < binormal(10, 30).bounds[name] < binormal(100, 300).bounds[name] < 1
        )


@pytest.mark.parametrize("counts", [(1, 1), (2, 500), (1500, 2), (3000, 3000)])
def test_any_counts_have_rising_values_and_some_spread(counts: tuple[int, int]) -> None:
    for law in binormal(*counts).laws.values():
        assert (np.diff(law.mean) >= 0).all()
        assert (law.error > 0).all()
        assert law.mean.max() <= 1
