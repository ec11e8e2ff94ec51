"""What one choice gains over another, by data set and metric: words in prompts, and the auxiliary set.

Figure 5 as numbers is what object-agnostic prompts gain over object-aware ones: a difference of means, in
points of a hundred. It exists where both means do, else the reasons of both are given. The average is the
difference of the averages. In the CSV file a gain stands under the name of what it is held against.

`sensitivity` is the same method under both protocols, where they differ: on the two auxiliary sets themselves
both are one, so they have no row. Both sides see the same test images: for image metrics the interval is that
of the paired difference, from the image scores (`significance`); maps are not kept, so the one of a pixel
metric takes both sides as independent and is too wide. Other trainings are part of an interval from three
seeds on, as everywhere (`mean`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

import pandas as pd

from pipeline.cells import CellKey, System
from pipeline.results import IMAGE_METRICS
from pipeline.results.parquet import read_scores
from pipeline.tables.legend import LEVEL_METRICS, METRIC_TITLES, auxiliary_lines
from pipeline.tables.mean import Mean, difference, independent_se, mean_of_means
from pipeline.tables.model import AVERAGE, Number, Row, Section, Table, signed
from pipeline.tables.outcome import Outcome
from pipeline.tables.significance import PairedScores

OBJECT_AGNOSTIC: Final = System("anomalyclip")
OBJECT_AWARE: Final = System("anomalyclip", "object_aware")
GAIN_METRICS: Final = tuple(metric for pair in LEVEL_METRICS.values() for metric in pair)


def gains_part(outcome: Outcome) -> Outcome | None:
    """The two that are compared; None where object-aware prompts were not run."""
    return outcome.only((OBJECT_AGNOSTIC, OBJECT_AWARE)) if OBJECT_AWARE in outcome.means else None


def figure5(outcome: Outcome) -> Table | None:
    """The table of a run; None where object-aware prompts were not run."""
    if (part := gains_part(outcome)) is None:
        return None
    rows = tuple(_row(dataset, own, part) for dataset, own in gains(part).items())
    section = Section(("Data set", "C", *(METRIC_TITLES[it] for it in GAIN_METRICS)), rows, 1)
    lines = (
        f"Points of a hundred: {part.title(OBJECT_AGNOSTIC)} minus {part.title(OBJECT_AWARE)}, "
        "each a plain mean over the C subsets of a data set and over seeds.",
        "`-`: undefined, unless a note says why.",
        *auxiliary_lines(part),
    )
    title = "Figure 5. What object-agnostic prompts gain over object-aware ones"
    return Table("figure5", title, part, (section,), lines)


def gains(part: Outcome) -> dict[str, dict[str, Mean]]:
    """Gains by data set (then `(average)`) and metric, in shares; each in [-1, 1]."""
    ours, theirs = part.means[OBJECT_AGNOSTIC], part.means[OBJECT_AWARE]
    found = {
        dataset: {
            metric: _gain(part, ours.over_subsets(dataset, metric), theirs.over_subsets(dataset, metric))
            for metric in GAIN_METRICS
        }
        for dataset in part.expected
    }
    found[AVERAGE] = {
        metric: _gain(
            part, ours.over_datasets(part.expected, metric), theirs.over_datasets(part.expected, metric)
        )
        for metric in GAIN_METRICS
    }
    return found


def _row(dataset: str, own: Mapping[str, Mean], part: Outcome) -> Row:
    labels = ("Average", "")
    if dataset != AVERAGE:
        labels = (part.expected[dataset].title, str(len(part.expected[dataset].subsets)))
    slots = [(Number(OBJECT_AWARE, dataset, metric, gain, show=signed),) for metric, gain in own.items()]
    return Row(labels, tuple(slots))


def _gain(part: Outcome, ours: Mean, theirs: Mean) -> Mean:
    if ours.value is not None and theirs.value is not None:
        return difference(ours, theirs)
    named = ((OBJECT_AGNOSTIC, ours.missing), (OBJECT_AWARE, theirs.missing))
    why = [f"{part.title(system)}: {missing}" for system, missing in named if missing is not None]
    return Mean(None, "; ".join(why) or None)


def sensitivity(outcome: Outcome) -> Table | None:
    """The table of a run; None where one protocol was run."""
    pairs = _pairs(outcome)
    if not pairs:
        return None
    part = outcome.only([system for pair in pairs for system in pair])
    datasets = [name for name in part.expected if any(part.means[other].ran_on(name) for _, other in pairs)]
    part = part.only(part.means, datasets)
    first, second = (part.means[system].protocol or "" for system in pairs[0])
    scores = None if part.scores is None else read_scores(part.scores)
    rows = tuple(row for pair in pairs for row in _moved_rows(part, *pair, pairs=_paired(scores, *pair)))
    titles = ("Data set", "Method", "Metric", first, second, f"{second} minus {first}")
    section = Section(titles, rows, text_columns=3)
    lines = (
        f"Percent; {first} and {second} name the protocol: that set is tuned on for all data sets.",
        "In brackets the 95 % interval of the difference: paired by test image at image level; of "
        "independent sides, and so too wide, at pixel level.",
        *auxiliary_lines(part),
    )
    return Table("protocols", "What the auxiliary protocol moves", part, (section,), lines)


def _pairs(outcome: Outcome) -> list[tuple[System, System]]:
    """A method and its variant that is named by the other protocol and ran under it."""
    return [
        (System(system.method), system)
        for system, own in outcome.means.items()
        if system.variant and system.variant == own.protocol and System(system.method) in outcome.means
    ]


def _paired(scores: pd.DataFrame | None, plain: System, other: System) -> PairedScores | None:
    """Image scores of both, under the name of `plain`."""
    if scores is None:
        return None
    frame = scores[scores["method"] == plain.method]
    sides = (frame[frame["variant"] == plain.variant], frame[frame["variant"] == other.variant])
    return PairedScores(sides[0], sides[1].assign(variant=plain.variant))


def _moved_rows(part: Outcome, plain: System, other: System, pairs: PairedScores | None) -> Iterator[Row]:
    for metric in GAIN_METRICS:
        names = [name for name, record in part.expected.items() if metric in record.metrics]
        moved = {name: _moved(part, plain, other, name, metric, pairs) for name in names}
        for name in names:
            means = [part.means[system].over_subsets(name, metric) for system in (plain, other)]
            yield _moved_row(
                part, part.expected[name].title, name, metric, plain, other, [*means, moved[name]]
            )
        if names:
            means = [part.means[system].over_datasets(names, metric) for system in (plain, other)]
            last = _average(list(moved.values()))
            yield _moved_row(part, "Average", AVERAGE, metric, plain, other, [*means, last])


def _moved(
    part: Outcome, plain: System, other: System, dataset: str, metric: str, pairs: PairedScores | None
) -> Mean:
    theirs, ours = (part.means[system].over_subsets(dataset, metric) for system in (plain, other))
    moved = difference(ours, theirs)
    if moved.value is None or metric not in IMAGE_METRICS:
        return moved
    subsets = part.expected[dataset].subsets
    cells = [CellKey(dataset, subset, *plain, None) for subset in subsets]
    found = [None if pairs is None else pairs.errors(cell).get(metric) for cell in cells]
    paired = independent_se([None if error is None else error / 100 for error in found])
    return moved if paired is None else replace(moved, se=paired)


def _average(moved: Sequence[Mean]) -> Mean:
    values = [mean.value for mean in moved if mean.value is not None]
    if len(values) < len(moved):
        return Mean(None)
    return replace(mean_of_means(moved, values), least=-1.0)


def _moved_row(
    part: Outcome, label: str, dataset: str, metric: str, plain: System, other: System, means: Sequence[Mean]
) -> Row:
    gap = System(plain.method, f"{other.variant}-{part.means[plain].protocol}")
    slots = [
        (Number(plain, dataset, metric, means[0]),),
        (Number(other, dataset, metric, means[1]),),
        (Number(gap, dataset, metric, means[2], show=signed, with_interval=True),),
    ]
    return Row((label, part.title(plain), METRIC_TITLES[metric]), tuple(slots))
