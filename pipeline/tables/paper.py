"""Tables with data sets in rows and methods or variants in columns: Tables 1 to 3, and Figure 6 as numbers.

Rows stand in the order of the expected data sets, image level first, each group named once, and below each
level the plain average over its data sets. In Tables 1 and 2 only methods that were run have a column, and
ablations have none. In the paper profile the published numbers stand beside the measured ones.


Tables with variants in rows: module ablation (Table 4), context optimisation (Table 5), and all others.

Columns are the paper's two data sets, pixel level first, as far as the run has them. All rows of a table
stand there once one of its variants was run; a row that was not run says so.


The table of one data set: a section a method, its subsets and their mean in rows, metrics in columns.

A variant has a section where it was run; not every variant is meant for every data set.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from pipeline import catalog
from pipeline.results import METRICS
from pipeline.tables.aggregate import Entry, EntryMeans, chosen_means
from pipeline.tables.expected import Domain, Expected, Task
from pipeline.tables.incomplete import shortfall
from pipeline.tables.legend import (
    LEVEL_TITLES,
    METHOD_TITLES,
    METRIC_TITLES,
    build_lines,
    entry_title,
    group_title,
    in_order,
    labelled,
    legend,
    over_datasets,
    over_subsets,
    published_lines,
)
from pipeline.tables.mean import Mean
from pipeline.tables.model import MEAN, Row, Section, Table, numbers_of, ranked
from pipeline.tables.verdicts import (
    ATTENTIONS,
    COMPARED,
    LOSSES,
    MODULES,
    TUNINGS,
    References,
    any_run,
    references,
)


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


_DATASETS: Final = ("mvtec", "visa")
_TASKS: Final[tuple[Task, ...]] = ("pixel", "image")

_Column = tuple[str, Task]  # of a data set


@dataclass(frozen=True)
class AblationTable:
    """A table by variant.

    Attributes:
        name: of its files, such as `table4`.
        title: its heading.
        header: titles of the columns that label a row.
        rows: those labels, by variant.
        remark: what a reader has to know about the rows.
    """

    name: str
    title: str
    header: tuple[str, ...]
    rows: Mapping[Entry, tuple[str, ...]]
    remark: str

    def exists(self, means: Mapping[Entry, EntryMeans]) -> bool:
        """Whether a variant of it was run."""
        return any_run(self.rows, means)

    def table(self, means: Mapping[Entry, EntryMeans], expected: Expected, profile: str) -> Table:
        """The table of a run."""
        own = chosen_means(self.rows, means, expected)
        section = self._section(own, expected, references(self.name, profile))
        names = labelled({entry: " ".join(labels) for entry, labels in self.rows.items()})
        datasets = dict.fromkeys(dataset for dataset, _ in _columns(expected))
        builds = build_lines(own, expected, datasets)
        lines = [*names, self.remark, *legend(own), *published_lines([section]), *builds]
        lacks = shortfall(own, datasets)
        return Table(self.name, self.title, profile, (section,), tuple(lines), shortfall=lacks)

    def _section(self, own: Mapping[Entry, EntryMeans], expected: Expected, published: References) -> Section:
        columns = _columns(expected)
        titles = [f"{expected[dataset].title}: {LEVEL_TITLES[task]}" for dataset, task in columns]
        by_column = [
            ranked([over_subsets(entry, it, *column, published) for entry, it in own.items()])
            for column in columns
        ]
        rows = [
            Row(self.rows[entry], slots)
            for entry, slots in zip(own, zip(*by_column, strict=True), strict=False)
        ]
        return Section((*self.header, *titles), tuple(rows), text_columns=len(self.header))


@dataclass(frozen=True)
class OtherVariants:
    """Every variant that no table or figure of the paper compares, such as those of a sweep."""

    name: str = "variants"

    def exists(self, means: Mapping[Entry, EntryMeans]) -> bool:
        """Whether there is one."""
        return bool(_others(means))

    def table(self, means: Mapping[Entry, EntryMeans], expected: Expected, profile: str) -> Table:
        """The table of a run: each method as it is, then its variants."""
        others = _others(means)
        as_they_are = {Entry(entry.method, "") for entry in others}
        rows = {
            entry: (METHOD_TITLES.get(entry.method, entry.method), entry.variant or "as it is")
            for entry in in_order({*as_they_are, *others})
        }
        remark = "What each variant sets stands under `variants` in params.yaml."
        table = AblationTable(self.name, "Other variants", ("Method", "Variant"), rows, remark)
        return table.table(means, expected, profile)


TABLE_4: Final = AblationTable(
    "table4",
    "Table 4. Module ablation of AnomalyCLIP",
    ("Module",),
    MODULES,
    "Each row adds to the one above: T1 is DPAM, T2 the learnt object-agnostic prompts, T3 the learnt tokens "
    "in the text tower. The paper does not say which prompts stand behind Base and + T1.",
)
TABLE_5: Final = AblationTable(
    "table5",
    "Table 5. Context optimisation of AnomalyCLIP",
    ("Local", "Global"),
    LOSSES,
    "✗ ✗ keeps the parameters as drawn; the paper does not say what stands behind this row.",
)
OTHER_VARIANTS: Final = OtherVariants()


def _others(means: Mapping[Entry, EntryMeans]) -> list[Entry]:
    return [entry for entry in means if entry.variant and entry not in COMPARED]


def _columns(expected: Expected) -> list[_Column]:
    return [
        (name, task)
        for name in _DATASETS
        if name in expected
        for task in _TASKS
        if task in expected[name].tasks
    ]


def subsets_table(dataset: str, means: Mapping[Entry, EntryMeans], expected: Expected, profile: str) -> Table:
    """The table of `dataset`."""
    published = references("subsets", profile)
    entries = [entry for entry in in_order(means) if not entry.variant or means[entry].ran_on(dataset)]
    sections = tuple(_section(entry, dataset, means[entry], published) for entry in entries)
    return Table(
        f"subsets/{dataset}",
        f"{expected[dataset].title}, by subset",
        profile,
        sections,
        (*published_lines(sections), *build_lines(means, expected, [dataset])),
        lead=("Percent; the last row is the plain mean over subsets.",),
        shortfall=shortfall({entry: means[entry] for entry in entries}, [dataset]),
    )


def _section(entry: Entry, dataset: str, own: EntryMeans, published: References) -> Section:
    rows = [_row(entry, dataset, subset, own, published) for subset in (*own.expected(dataset).subsets, MEAN)]
    header = ("Subset", *(METRIC_TITLES[metric] for metric in METRICS))
    return Section(header, tuple(rows), 1, entry_title(entry), _training(dataset, own), notes_at_name=True)


def _row(entry: Entry, dataset: str, subset: str, own: EntryMeans, published: References) -> Row:
    means = {metric: _mean(dataset, subset, metric, own) for metric in METRICS}
    numbers = numbers_of(entry, own, (dataset, subset), means, published)
    return Row((subset,), tuple((number,) for number in numbers))


def _mean(dataset: str, subset: str, metric: str, means: EntryMeans) -> Mean:
    return (
        means.over_subsets(dataset, metric) if subset == MEAN else means.over_seeds(dataset, subset, metric)
    )


def _training(dataset: str, means: EntryMeans) -> tuple[str, ...]:
    auxiliary = means.auxiliaries().get(dataset)
    if auxiliary is None:
        return ()
    return (f"Auxiliary set: {auxiliary}; mean over seeds: {', '.join(str(seed) for seed in means.seeds)}.",)
