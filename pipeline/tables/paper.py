"""Tables with data sets in rows and methods or variants in columns: Tables 1 to 3, and Figure 6 as numbers.

Rows stand in the order of the expected data sets, image level first, each group named once, and below each
level the plain average over its data sets. In Tables 1 and 2 only methods that were run have a column, and
ablations have none. In the paper profile the published numbers stand beside the measured ones.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from pipeline import catalog
from pipeline.tables.aggregate import Entry, EntryMeans, chosen_means
from pipeline.tables.builds import build_lines
from pipeline.tables.expected import Domain, Expected
from pipeline.tables.model import Row, Section, Table, ranked
from pipeline.tables.naming import entry_title, group_title, in_order, labelled
from pipeline.tables.pairs import LEVEL_TITLES, legend, over_datasets, over_subsets, published_lines
from pipeline.tables.shortfall import shortfall
from pipeline.tables.variants import ATTENTIONS, TUNINGS, any_run
from pipeline.tables.verdicts import References, references


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

    def table(self, means: Mapping[Entry, EntryMeans], expected: Expected, profile: str) -> Table:
        """The table of a run."""
        columns = self.columns(means, expected)
        rows = tuple(self._rows(columns, expected, references(self.name, profile)))
        titles = [self.variants.get(entry, entry_title(entry)) for entry in columns]
        section = Section(("Task", "Category", "Data set", "C", *titles), rows, text_columns=3)
        lines = [
            *labelled(self.variants),
            "C: number of subsets.",
            *legend(columns),
            *published_lines([section]),
            *self._tuned_on(),
            *build_lines(columns, expected, self._shown(expected)),
        ]
        lacks = shortfall(columns, self._shown(expected))
        return Table(self.name, self.title, profile, (section,), tuple(lines), shortfall=lacks)

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

    def _rows(
        self, columns: Mapping[Entry, EntryMeans], expected: Expected, published: References
    ) -> Iterator[Row]:
        shown = self._shown(expected)
        for task, level in LEVEL_TITLES.items():
            names = [name for name, it in shown.items() if task in it.tasks]
            above = ("", "")
            for name in names:
                record = shown[name]
                group = group_title(record.group)
                labels = (level if not above[0] else "", "" if (level, group) == above else group)
                slots = [over_subsets(it, own, name, task, published) for it, own in columns.items()]
                yield Row((*labels, record.title, str(len(record.subsets))), tuple(ranked(slots)))
                above = (level, group)
            if names:
                slots = [over_datasets(it, own, names, task) for it, own in columns.items()]
                yield Row(("", "", "Average", ""), tuple(ranked(slots)))


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
