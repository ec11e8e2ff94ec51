"""Tables with variants in rows: the module ablation (Table 4) and the context optimisation (Table 5).

Columns are the paper's two data sets, pixel level first, as far as the run has them. All rows of a table
stand there once one of its variants was run; a row that was not run says so.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from pipeline.tables.aggregate import Entry, EntryMeans, chosen_means
from pipeline.tables.builds import build_lines
from pipeline.tables.expected import Expected, Task
from pipeline.tables.long_form import Place, Value
from pipeline.tables.markdown import NO_DATASET, Footnotes, grid, page
from pipeline.tables.naming import labelled
from pipeline.tables.pairs import LEVEL_METRICS, LEVEL_TITLES, legend, over_subsets, pair_cells, pair_texts
from pipeline.tables.variants import LOSSES, MODULES, any_run

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

    def markdown(self, means: Mapping[Entry, EntryMeans], expected: Expected, profile: str) -> str:
        """The table in Markdown."""
        own = chosen_means(self.rows, means, expected)
        columns = _columns(expected)
        notes = Footnotes()
        body = self._body(own, columns, expected, notes) if columns else [NO_DATASET]
        names = labelled({entry: " ".join(labels) for entry, labels in self.rows.items()})
        builds = build_lines(own, expected, dict.fromkeys(dataset for dataset, _ in columns))
        return page(self.title, profile, body, [*names, self.remark, *legend(own), *builds], notes)

    def values(self, means: Mapping[Entry, EntryMeans], expected: Expected, profile: str) -> Iterator[Value]:
        """The table value by value, in the order of the Markdown table."""
        for entry, own in chosen_means(self.rows, means, expected).items():
            for dataset, task in _columns(expected):
                place = Place(profile, self.name.removeprefix("table"), dataset)
                for metric, mean in zip(LEVEL_METRICS[task], over_subsets(own, dataset, task), strict=True):
                    yield place.value(entry, metric, mean)

    def _body(
        self,
        own: Mapping[Entry, EntryMeans],
        columns: list[_Column],
        expected: Expected,
        notes: Footnotes,
    ) -> list[str]:
        by_column = [[over_subsets(row, *column) for row in own.values()] for column in columns]
        texts = zip(*(pair_texts(column) for column in by_column), strict=True)
        pairs = zip(*by_column, strict=True)
        rows = [
            [*self.rows[entry], *pair_cells(text, pair, notes)]
            for entry, text, pair in zip(own, texts, pairs, strict=True)
        ]
        titles = [f"{expected[dataset].title}: {LEVEL_TITLES[task]}" for dataset, task in columns]
        return grid([*self.header, *titles], rows, text_columns=len(self.header))


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


def _columns(expected: Expected) -> list[_Column]:
    return [
        (name, task)
        for name in _DATASETS
        if name in expected
        for task in _TASKS
        if task in expected[name].tasks
    ]
