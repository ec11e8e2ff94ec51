"""A results folder filled with the paper's own numbers, through the ordinary writer, with profile `paper`."""

from collections.abc import Callable
from typing import Any

import numpy as np

from pipeline import catalog
from pipeline.cells import System
from pipeline.results import CellRow, spread_columns
from pipeline.tables import expected_sets, published_table
from pipeline.tables.published import published_review

from .make import rule

EXPECTED = expected_sets(catalog.names())
LEARNT = ("vand", "coop", "anomalyclip", "af_clip")
BY_HAND = ("base", "t1")  # prompts without learnt vectors
SE = 0.01

Move = Callable[[System, str, str], float]
"""Points by which a metric of a system on a data set is moved."""


def published_values() -> dict[tuple[System, str], dict[str, float]]:
    """System and data set to what Tables 1 to 5 print, in percent by metric."""
    found: dict[tuple[System, str], dict[str, float]] = {}
    for number in (1, 2, 3, 4, 5):
        for value in published_table(number):
            found.setdefault((value.system, value.dataset), {})[value.metric] = value.percent
    return found


def review_values() -> dict[tuple[System, str], dict[str, float]]:
    """Likewise of the review thread."""
    found: dict[tuple[System, str], dict[str, float]] = {}
    for number in (7, 11, 12, 13, 14):
        for value in published_review(number):
            found.setdefault((value.system, value.dataset), {})[value.metric] = value.percent
    return found


def paper_rows(
    move: Move = lambda _system, _dataset, _metric: 0.0,
    seed: int = 111,
    published: Callable[[], dict[tuple[System, str], dict[str, float]]] = published_values,
) -> list[CellRow]:
    """A row a subset: the published value of its data set, with noise over subsets that sums to zero."""
    rng = np.random.default_rng(5)
    rows = []
    for (system, dataset), values in published().items():
        subsets = EXPECTED[dataset].subsets
        percents = {
            metric: percent + move(system, dataset, metric) + _noise(rng, len(subsets), percent)
            for metric, percent in values.items()
        }
        for place, subset in enumerate(subsets):
            shares = {metric: float(it[place]) / 100 for metric, it in percents.items()}
            rows.append(_row(system, dataset, subset, shares, seed))
    return rows


def _noise(rng: np.random.Generator, count: int, percent: float) -> Any:
    room = min(percent, 100 - percent, 5.0) / 4
    noise = rng.uniform(-room, room, count)
    return noise - noise.mean()


def _row(system: System, dataset: str, subset: str, shares: dict[str, float], seed: int) -> CellRow:
    learnt = system.method in LEARNT and system.variant not in BY_HAND
    usual = "visa" if dataset == "mvtec" else "mvtec"
    columns: dict[str, Any] = {}
    for metric, share in shares.items():
        ends = (SE, max(share - 2 * SE, 0), min(share + 2 * SE, 1))
        columns |= {metric: share, **dict(zip(spread_columns(metric), ends, strict=True))}
    normal, anomalous = counts(dataset)[subset]
    return CellRow(
        profile="paper",
        dataset=dataset,
        subset=subset,
        method=system.method,
        variant=system.variant,
        status="ok",
        seed=seed if learnt else None,
        auxiliary=("colon_auxiliary" if system.variant == "medical" else usual) if learnt else None,
        **rule(learnt=learnt) | ({"protocol": "own"} if system.variant == "medical" else {}),
        image_size=518,
        n_images=2,
        n_normal=normal,
        n_anomalous=anomalous,
        build="b",
        weights="w",
        params="p",
        code="c",
        cell_key="k",
        **columns,
    )


def counts(dataset: str) -> dict[str, tuple[int, int]]:
    """(normal, anomalous) images by subset; what the record gives in sum alone is put into one subset."""
    record = EXPECTED[dataset]
    own = {subset: [n or 0 for n in record.counts.get(subset, (0, 0))] for subset in record.subsets}
    rest = next((subset for subset in record.subsets if None in record.counts.get(subset, (None,))), None)
    if rest is not None:
        for place, total in enumerate(record.total):
            own[rest][place] += (total or 0) - sum(pair[place] for pair in own.values())
    return {subset: (normal, anomalous) for subset, (normal, anomalous) in own.items()}
