"""What one entry gains over another, by data set and metric: Figure 5 as numbers.

A gain is a difference of means, in points of a hundred. It exists where both means do, otherwise the reasons
of both are given. The average is the difference of the averages.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pipeline.tables.aggregate import Entry, EntryMeans, chosen_means
from pipeline.tables.expected import Expected
from pipeline.tables.incomplete import shortfall
from pipeline.tables.legend import LEVEL_METRICS, METRIC_TITLES, auxiliary_lines, build_lines, entry_title
from pipeline.tables.mean import Mean, difference
from pipeline.tables.model import AVERAGE, Number, Row, Section, Table, signed
from pipeline.tables.verdicts import OBJECT_AGNOSTIC, OBJECT_AWARE, any_run

GAIN_METRICS: Final = tuple(metric for pair in LEVEL_METRICS.values() for metric in pair)


@dataclass(frozen=True)
class GainTable:
    """A table of gains.

    Attributes:
        name: of its files.
        title: its heading.
        ours: positive gains are for this one.
        theirs: what it is held against; in the CSV file gains stand under its name.
    """

    name: str
    title: str
    ours: Entry
    theirs: Entry

    def exists(self, means: Mapping[Entry, EntryMeans]) -> bool:
        """Whether the variant was run."""
        return any_run((self.ours, self.theirs), means)

    def table(self, means: Mapping[Entry, EntryMeans], expected: Expected, profile: str) -> Table:
        """The table of a run."""
        own = self.columns(means, expected)
        rows = tuple(self._row(name, it, expected) for name, it in self.gains(means, expected).items())
        section = Section(("Data set", "C", *(METRIC_TITLES[it] for it in GAIN_METRICS)), rows, 1)
        lines = [
            f"Points of a hundred: {entry_title(self.ours)} minus {entry_title(self.theirs)}, "
            "each a plain mean over the C subsets of a data set and over seeds.",
            "`-`: undefined, unless a note says why.",
            *auxiliary_lines(own),
            *build_lines(own, expected, expected),
        ]
        lacks = shortfall(own, expected)
        return Table(self.name, self.title, profile, (section,), tuple(lines), shortfall=lacks)

    def columns(self, means: Mapping[Entry, EntryMeans], expected: Expected) -> dict[Entry, EntryMeans]:
        """The two that it compares."""
        return chosen_means((self.ours, self.theirs), means, expected)

    def _row(self, dataset: str, gains: Mapping[str, Mean], expected: Expected) -> Row:
        labels = ("Average", "")
        if dataset != AVERAGE:
            labels = (expected[dataset].title, str(len(expected[dataset].subsets)))
        slots = [(Number(self.theirs, dataset, metric, gain, show=signed),) for metric, gain in gains.items()]
        return Row(labels, tuple(slots))

    def gains(self, means: Mapping[Entry, EntryMeans], expected: Expected) -> dict[str, dict[str, Mean]]:
        """Gains by data set (then `(average)`) and metric, in shares; each in [-1, 1]."""
        ours, theirs = self.columns(means, expected).values()
        gains = {
            dataset: {
                metric: self._gain(ours.over_subsets(dataset, metric), theirs.over_subsets(dataset, metric))
                for metric in GAIN_METRICS
            }
            for dataset in expected
        }
        gains[AVERAGE] = {
            metric: self._gain(ours.over_datasets(expected, metric), theirs.over_datasets(expected, metric))
            for metric in GAIN_METRICS
        }
        return gains

    def _gain(self, ours: Mean, theirs: Mean) -> Mean:
        if ours.value is not None and theirs.value is not None:
            return difference(ours, theirs)
        named = ((self.ours, ours.missing), (self.theirs, theirs.missing))
        why = [f"{entry_title(entry)}: {missing}" for entry, missing in named if missing is not None]
        return Mean(None, "; ".join(why) or None)


FIGURE_5: Final = GainTable(
    "figure5",
    "Figure 5. What object-agnostic prompts gain over object-aware ones",
    OBJECT_AGNOSTIC,
    OBJECT_AWARE,
)
