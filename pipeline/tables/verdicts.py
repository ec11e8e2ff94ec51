"""Which variants of `params.yaml` the paper's tables and figures compare, and as what they are published.

A variant is known here by its name alone; what it sets is the business of `params.yaml`. The method itself,
"" as a variant, opens or closes each comparison. A table of variants exists once one of them was run.


Measured against published: which printed number belongs to a value, and the one rule for its verdict.

The same test images stand behind both numbers, so what another draw of images would change excuses nothing;
the interval is printed beside the difference and plays no part. What does count:

- the published value is rounded: 0.05 points;
- other libraries and hardware: 0.2 points;
- for a learnt method instead of these 0.2, if that is more, what two trainings may differ by in 95 % of
  cases, 1.96 sqrt(r² + r² / seeds): ours measured over three seeds or more, otherwise as is usual (`mean`).

`reproduced` when the difference is no larger than the sum, `differs` when it is. `not run` where the method
has no row on the data set. `not comparable` where a subset is missing, failed or undefined, where the test
images are of another build than the paper's (by their counts), or where a learnt method was tuned on another
set. Only the paper profile is held against published numbers.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeVar

from pipeline.catalog import KnownCounts
from pipeline.tables.aggregate import Entry, EntryMeans
from pipeline.tables.expected import ExpectedSet
from pipeline.tables.mean import Mean, Z
from pipeline.tables.published import PublishedValue, published_subsets, published_table

_T = TypeVar("_T")


def _of_anomalyclip(labels: Mapping[str, _T]) -> dict[Entry, _T]:
    return {Entry("anomalyclip", variant): label for variant, label in labels.items()}


# Table 3: what a method is tuned on.
TUNINGS: Final = {
    Entry("vand", ""): "VAND",
    Entry("vand", "medical"): "VAND, medical",
    Entry("anomalyclip", ""): "AnomalyCLIP",
    Entry("anomalyclip", "medical"): "AnomalyCLIP, medical",
}

# Table 4, from the top down; each row adds a module to the one above.
MODULES: Final = _of_anomalyclip({"base": ("Base",), "t1": ("+ T1",), "t2": ("+ T2",), "": ("+ T3",)})

# Table 5: the local loss, the global loss.
LOSSES: Final = _of_anomalyclip(
    {"untrained": ("✗", "✗"), "global_only": ("✗", "✓"), "local_only": ("✓", "✗"), "": ("✓", "✓")}
)

# Figure 5.
OBJECT_AGNOSTIC: Final = Entry("anomalyclip", "")
OBJECT_AWARE: Final = Entry("anomalyclip", "object_aware")

# Figure 6: attention of the local path.
ATTENTIONS: Final = _of_anomalyclip({"": "V-V", "qq": "Q-Q", "kk": "K-K"})


# What the tables and figures above compare.
COMPARED: Final = frozenset({*TUNINGS, *MODULES, *LOSSES, OBJECT_AWARE, *ATTENTIONS})


def any_run(entries: Iterable[Entry], means: Mapping[Entry, EntryMeans]) -> bool:
    """Whether a variant among `entries` was run; the method itself does not count."""
    return any(entry.variant and entry in means for entry in entries)


# How the files of published numbers name the entries of Tables 3 to 5: by method and variant.
PUBLISHED: Final[Mapping[int, Mapping[tuple[str, str], Entry]]] = {
    3: {
        ("vand", ""): Entry("vand", "medical"),
        ("anomalyclip", ""): Entry("anomalyclip", "medical"),
    },
    4: {
        ("anomalyclip", name): Entry("anomalyclip", variant)
        for name, variant in {
            "base": "base",
            "t1_dpam": "t1",
            "t1_t2_prompts": "t2",
            "t1_t2_t3_full": "",
        }.items()
    },
    5: {
        ("anomalyclip", name): Entry("anomalyclip", variant)
        for name, variant in {
            "local0_global0": "untrained",
            "local0_global1": "global_only",
            "local1_global0": "local_only",
            "local1_global1": "",
        }.items()
    },
}


PAPER_PROFILE: Final = "paper"
ROUNDING: Final = 0.05
OTHER_MACHINES: Final = 0.2
# Points that are equal but for the noise of their sums.
_NOISE: Final = 1e-9

_MEDICAL_AUXILIARY: Final = "colon_auxiliary"

Verdict = Literal["reproduced", "differs", "not run", "not comparable"]
References = Mapping[tuple[Entry, str, str, str], PublishedValue]
"""Entry, data set, subset ("" for the mean over them) and metric to what is published."""


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
    """The published values of a table such as `table1`, or of `subsets`.

    None for another profile than the paper's, and for what the paper does not print as a table.
    """
    if profile != PAPER_PROFILE or not table.startswith(("table", "subsets")):
        return {}
    if table == "subsets":
        values = published_subsets()
    elif table == "table3":  # its methods as they stand in Table 2, beside those tuned on medical images
        values = (*published_table(2), *published_table(3))
    else:
        values = published_table(int(table.removeprefix("table")))
    return {(_entry(value), value.dataset, value.subset, value.metric): value for value in values}


def compare(published: PublishedValue, mean: Mean, own: EntryMeans) -> Comparison:
    """The verdict on `mean`, of `own` on the data set of `published`."""
    if not own.ran_on(published.dataset):
        return Comparison(published, "not run")
    if mean.value is None:
        return Comparison(published, "not comparable", reason=mean.missing or "undefined here")
    difference = 100 * mean.value - published.percent
    if (reason := _unlike(published, own)) is not None:
        return Comparison(published, "not comparable", difference, reason=reason)
    allowed = ROUNDING + max(OTHER_MACHINES, _retrained(mean))
    verdict: Verdict = "reproduced" if abs(difference) <= allowed + _NOISE else "differs"
    return Comparison(published, verdict, difference, allowed)


def _entry(value: PublishedValue) -> Entry:
    known = PUBLISHED.get(value.table or 0, {})
    return known.get((value.method, value.variant), Entry(value.method, value.variant))


def _retrained(mean: Mean) -> float:
    if mean.training_se is None:
        return 0.0
    return 100 * Z * math.hypot(mean.retrained, mean.training_se)


def _unlike(published: PublishedValue, own: EntryMeans) -> str | None:
    dataset = published.dataset
    record, counts = own.expected(dataset), own.counts(dataset)
    if (build := _other_build(record, counts)) is not None:
        return f"{dataset}: {build}, another build than the paper's"
    tuned = own.auxiliaries().get(dataset)
    if tuned is not None and tuned != (usual := _auxiliary(published)):
        return f"{dataset}: tuned on {tuned}, in the paper on {usual}"
    return None


def _auxiliary(published: PublishedValue) -> str:
    """What the paper tunes on (section 4.1): VisA for MVTec AD, MVTec AD for all others, but for Table 3."""
    if published.table == 3:
        return _MEDICAL_AUXILIARY
    return "visa" if published.dataset == "mvtec" else "mvtec"


def _other_build(record: ExpectedSet, counts: Mapping[str, tuple[int, int]]) -> str | None:
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
