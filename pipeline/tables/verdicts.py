"""Measured against published: which printed number belongs to a value, and the one rule for its verdict.

The same test images stand behind both numbers, so what another draw of images would change excuses nothing;
the interval is printed beside the difference and plays no part. What does count:

- the published value is rounded: 0.05 points;
- other libraries and hardware: 0.2 points;
- for a learnt method instead of these 0.2, if that is more, what two trainings may differ by in 95 % of
  cases. Where the usual spread of the metric is known (`trainings`): 1.96 sqrt(r² + r² / seeds), with ours
  in the second place from three seeds on. Where it is not, from three seeds on: Student's interval for one
  training more, t s sqrt(1 + 1 / seeds).

`reproduced` when the difference is no larger than the sum. Beyond it, of a learnt method whose spread is
neither known nor measured, `within retrainings` up to the largest difference between trainings that is known
of the metric, and `needs three seeds` where none is. Otherwise `differs`. `not run` where the method has no
row on the data set. `not comparable` where a subset is missing, failed or undefined, where the test images
are of another build than the paper's (by their counts), or where a learnt method was tuned on another set.
Only the paper profile is held against published numbers.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, get_args

from pipeline.catalog import Domain, KnownCounts
from pipeline.cells import System
from pipeline.tables.aggregate import SystemMeans
from pipeline.tables.expected import ExpectedSet
from pipeline.tables.mean import Mean, student
from pipeline.tables.outcome import PAPER_PROFILE
from pipeline.tables.published import (
    PublishedValue,
    published_review,
    published_since,
    published_subsets,
    published_table,
)
from pipeline.tables.trainings import Retraining, Z, retraining

ROUNDING: Final = 0.05
OTHER_MACHINES: Final = 0.2
# Points that are equal but for the noise of their sums.
_NOISE: Final = 1e-9

_MEDICAL_AUXILIARY: Final = "colon_auxiliary"

Verdict = Literal[
    "reproduced", "within retrainings", "needs three seeds", "differs", "not run", "not comparable"
]
References = Mapping[tuple[System, str, str, str], PublishedValue]
"""System, data set, subset ("" for the mean over them) and metric to what is published."""


@dataclass(frozen=True)
class Comparison:
    """What is published beside a value.

    Attributes:
        difference: measured minus published, in points; `None` without a value.
        allowed: largest difference that counts as reproduced; `None` where there is nothing to compare.
        reason: why the two are not comparable; `None` otherwise.
    """

    published: PublishedValue
    verdict: Verdict
    difference: float | None = None
    allowed: float | None = None
    reason: str | None = None


def references(table: str, profile: str) -> References:
    """The published values of a table such as `table1`, `review7` or `since_medical`, or of `subsets`.

    `industrial` and `medical` are those of a suite or track: of what was published since.

    None for another profile than the paper's, for a smoke run (`profile` is the label of the outcome), and
    for what was not published as a table.
    """
    if profile != PAPER_PROFILE:
        return {}
    if table == "subsets":
        values = (*published_subsets(), *published_since())
    elif table.startswith("since"):
        values = (*published_table(1), *published_table(2), *published_since())
    elif table.startswith("review"):
        values = published_review(int(table.removeprefix("review")))
    elif table in get_args(Domain):
        values = published_since()
    elif table == "table3":  # its methods as they stand in Table 2, beside those tuned on medical images
        values = (*published_table(2), *published_table(3))
    elif table.startswith("table"):
        values = published_table(int(table.removeprefix("table")))
    else:
        return {}
    return {(value.system, value.dataset, value.subset, value.metric): value for value in values}


def compare(published: PublishedValue, mean: Mean, own: SystemMeans) -> Comparison:
    """The verdict on `mean`, of `own` on the data set of `published`."""
    if not own.ran_on(published.dataset):
        return Comparison(published, "not run")
    if mean.value is None:
        return Comparison(published, "not comparable", reason=mean.missing or "undefined here")
    difference = 100 * mean.value - published.percent
    if (reason := _unlike(published, own)) is not None:
        return Comparison(published, "not comparable", difference, reason=reason)
    another = retraining(
        published.metric, 1 if published.subset else len(own.expected(published.dataset).subsets)
    )
    allowed = ROUNDING + max(OTHER_MACHINES, _retrained(mean, another))
    verdict: Verdict = "reproduced" if _within(difference, allowed) else _beyond(difference, mean, another)
    return Comparison(published, verdict, difference, allowed)


def _within(difference: float, allowed: float) -> bool:
    return abs(difference) <= allowed + _NOISE


def _retrained(mean: Mean, another: Retraining) -> float:
    """What two trainings may differ by, in points; 0 where that is not known."""
    if mean.training_se is None:
        return 0.0
    if another.known == "usual":
        return 100 * Z * math.hypot(another.deviation, mean.training_se)
    if not mean.seeds_measured:
        return 0.0
    seeds = len(mean.by_seed)
    return 100 * student(seeds - 1) * mean.training_se * math.sqrt(seeds + 1)


def _beyond(difference: float, mean: Mean, another: Retraining) -> Verdict:
    """The verdict on a difference that is larger than what is allowed."""
    if mean.training_se is None or mean.seeds_measured or another.known == "usual":
        return "differs"
    if another.largest is None:
        return "needs three seeds"
    return "within retrainings" if _within(difference, ROUNDING + 100 * another.largest) else "differs"


def _unlike(published: PublishedValue, own: SystemMeans) -> str | None:
    dataset = published.dataset
    record, counts = own.expected(dataset), own.counts(dataset)
    if (build := other_build(record, counts)) is not None:
        return f"{dataset}: {build}, another build than the paper's"
    tuned = own.auxiliaries().get(dataset)
    if tuned is not None and tuned != (usual := _auxiliary(published)):
        return f"{dataset}: tuned on {tuned}, in the paper on {usual}"
    return None


def _auxiliary(published: PublishedValue) -> str:
    """What was tuned on; by the paper (4.1) VisA for MVTec AD, MVTec AD for others, but for Table 3."""
    if published.table == 3:
        return _MEDICAL_AUXILIARY
    usual, other = ("visa", "mvtec") if published.protocol == "visa" else ("mvtec", "visa")
    return other if published.dataset == usual else usual


def other_build(record: ExpectedSet, counts: Mapping[str, tuple[int, int]]) -> str | None:
    """How (normal, anomalous) images by subset differ from the build that the paper evaluates."""
    for subset, found in counts.items():
        if _differ(wanted := record.counts.get(subset, (None, None)), found):
            return f"{subset} has {_text(found)}, not {_text(wanted)}"
    total = (sum(normal for normal, _ in counts.values()), sum(bad for _, bad in counts.values()))
    if set(counts) == set(record.subsets) and _differ(record.total, total):
        return f"{_text(total)}, not {_text(record.total)}"
    return None


def _differ(wanted: KnownCounts, found: tuple[int, int]) -> bool:
    return any(want not in (None, have) for want, have in zip(wanted, found, strict=True))


def _text(counts: KnownCounts) -> str:
    normal, anomalous = ("any" if count is None else count for count in counts)
    return f"{normal} normal and {anomalous} anomalous images"
