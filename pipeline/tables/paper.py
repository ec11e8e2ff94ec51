"""Tables with data sets in rows and methods or variants in columns: Tables 1 to 3, and Figure 6 as numbers.

Rows stand in the order of the expected data sets, image level first, each group named once, and below each
level the plain average over its data sets. In Tables 1 and 2 only methods that were run have a column, and
ablations have none. Published numbers are not shown here.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from pipeline import catalog
from pipeline.tables.aggregate import Entry, EntryMeans, chosen_means
from pipeline.tables.builds import build_lines
from pipeline.tables.expected import Domain, Expected, Task
from pipeline.tables.long_form import AVERAGE, Place, Value
from pipeline.tables.markdown import NO_DATASET, Footnotes, grid, page
from pipeline.tables.naming import entry_title, group_title, in_order, labelled
from pipeline.tables.pairs import (
    LEVEL_METRICS,
    LEVEL_TITLES,
    Pair,
    legend,
    over_datasets,
    over_subsets,
    pair_cells,
    pair_texts,
)
from pipeline.tables.variants import ATTENTIONS, TUNINGS, any_run


@dataclass(frozen=True)
class _Line:
    """One line of a table: a data set or the average of a level, with a pair of means a column."""

    task: Task
    dataset: str
    pairs: Mapping[Entry, Pair]


@dataclass(frozen=True)
class PaperTable:
    """A table by data set.

    Attributes:
        name: of its files, such as `table1`.
        title: its heading.
        domains: whose data sets it shows.
        variants: titles of its columns; empty for every method that was run.
        auxiliary: the set that its variants are tuned on. What is not known about it stands below the table;
            data sets whose images it holds have no row.
    """

    name: str
    title: str
    domains: tuple[Domain, ...]
    variants: Mapping[Entry, str] = field(default_factory=dict)
    auxiliary: str | None = None

    def exists(self, means: Mapping[Entry, EntryMeans]) -> bool:
        """Whether a run fills it: always, or where a variant of it was run, or a data set of the user."""
        if self.domains == ("own",):
            return any(own.ran_in("own") for own in means.values())
        return not self.variants or any_run(self.variants, means)

    def markdown(self, means: Mapping[Entry, EntryMeans], expected: Expected, profile: str) -> str:
        """The table in Markdown."""
        columns = self.columns(means, expected)
        notes = Footnotes()
        rows = list(_rows(self._lines(columns, expected), expected, notes))
        titles = [self.variants.get(entry, entry_title(entry)) for entry in columns]
        header = ["Task", "Category", "Data set", "C", *titles]
        body = grid(header, rows, text_columns=3) if rows else [NO_DATASET]
        lines = [*labelled(self.variants), "C: number of subsets.", *legend(columns), *self._tuned_on()]
        lines += build_lines(columns, expected, self._shown(expected))
        return page(self.title, profile, body, lines, notes)

    def values(self, means: Mapping[Entry, EntryMeans], expected: Expected, profile: str) -> Iterator[Value]:
        """The table value by value, in the order of the Markdown table."""
        for line in self._lines(self.columns(means, expected), expected):
            place = Place(profile, self.name.removeprefix("table"), line.dataset)
            for entry, pair in line.pairs.items():
                for metric, mean in zip(LEVEL_METRICS[line.task], pair, strict=True):
                    yield place.value(entry, metric, mean)

    def columns(self, means: Mapping[Entry, EntryMeans], expected: Expected) -> dict[Entry, EntryMeans]:
        """Its columns, in order."""
        if self.variants:
            return chosen_means(self.variants, means, expected)
        return methods_as_published(means)

    def _tuned_on(self) -> list[str]:
        if self.auxiliary is None:
            return []
        record = catalog.record(self.auxiliary)
        return [
            f"{record.paper_name} (`{record.name}`): {record.title}.",
            f"Not known about the paper's: {'; '.join(record.unconfirmed)}.",
        ]

    def _shown(self, expected: Expected) -> Expected:
        seen = catalog.record(self.auxiliary).holds_images_of if self.auxiliary else ()
        return {name: it for name, it in expected.items() if it.domain in self.domains and name not in seen}

    def _lines(self, columns: Mapping[Entry, EntryMeans], expected: Expected) -> Iterator[_Line]:
        shown = self._shown(expected)
        for task in LEVEL_TITLES:
            names = [name for name, it in shown.items() if task in it.tasks]
            for name in names:
                yield _Line(task, name, {e: over_subsets(own, name, task) for e, own in columns.items()})
            if names:
                yield _Line(task, AVERAGE, {e: over_datasets(own, names, task) for e, own in columns.items()})


PAPER_TABLES: Final = (
    PaperTable("table1", "Table 1. Zero-shot anomaly detection on industrial data sets", ("industrial",)),
    PaperTable("table2", "Table 2. Zero-shot anomaly detection on medical data sets", ("medical",)),
    PaperTable(
        "table3",
        "Table 3. Medical data sets, tuned on industrial and on medical images",
        ("medical",),
        TUNINGS,
        auxiliary="colon_auxiliary",
    ),
    PaperTable("own", "Own data sets", ("own",)),
)
FIGURE_6: Final = PaperTable(
    "figure6", "Figure 6. Attention of DPAM in AnomalyCLIP", ("industrial", "medical"), ATTENTIONS
)


def methods_as_published(means: Mapping[Entry, EntryMeans]) -> dict[Entry, EntryMeans]:
    """Methods without their ablations, in order."""
    return {entry: means[entry] for entry in in_order(means) if not entry.variant}


def _rows(lines: Iterator[_Line], expected: Expected, notes: Footnotes) -> Iterator[list[str]]:
    above = ("", "")
    for line in lines:
        if line.dataset == AVERAGE:
            group, labels = "", ["Average", ""]
        else:
            record = expected[line.dataset]
            group, labels = group_title(record.group), [record.title, str(len(record.subsets))]
        level = LEVEL_TITLES[line.task]
        shown = ["" if level == above[0] else level, "" if (level, group) == above else group]
        pairs = list(line.pairs.values())
        yield [*shown, *labels, *pair_cells(pair_texts(pairs), pairs, notes)]
        above = (level, group)
