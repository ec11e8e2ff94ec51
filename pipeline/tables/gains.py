"""What object-agnostic prompts gain over object-aware ones, by data set and metric: Figure 5 as numbers.

A gain is a difference of means, in points of a hundred. It exists where both means do, otherwise the reasons
of both are given. The average is the difference of the averages. In the CSV file a gain stands under the name
of what it is held against.
"""

from collections.abc import Mapping
from typing import Final

from pipeline.cells import System
from pipeline.tables.legend import LEVEL_METRICS, METRIC_TITLES, auxiliary_lines
from pipeline.tables.mean import Mean, difference
from pipeline.tables.model import AVERAGE, Number, Row, Section, Table, signed
from pipeline.tables.outcome import Outcome

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
