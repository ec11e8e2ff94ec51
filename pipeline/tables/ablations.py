"""Tables with variants in rows: module ablation (Table 4), context optimisation (Table 5), and all others.

Columns are the paper's two data sets, pixel level first, as far as the run has them. All rows of a table
stand there once one of its variants was run; a row that was not run says so.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pipeline.tables.aggregate import Entry, EntryMeans, chosen_means
from pipeline.tables.builds import build_lines
from pipeline.tables.expected import Expected, Task
from pipeline.tables.model import Row, Section, Table, ranked
from pipeline.tables.naming import METHOD_TITLES, in_order, labelled
from pipeline.tables.pairs import LEVEL_TITLES, legend, over_subsets, published_lines
from pipeline.tables.shortfall import shortfall
from pipeline.tables.variants import COMPARED, LOSSES, MODULES, any_run
from pipeline.tables.verdicts import References, references

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
