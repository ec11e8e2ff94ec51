"""Tables 1 and 2 of the paper: industrial and medical data sets, one column a method, pairs of metrics.

Rows stand in the order of the expected data sets, image level first, each group named once, and below each
level the plain average over its data sets. Only methods that were run have a column; ablations have other
tables. Published numbers are not shown here.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pipeline.tables.aggregate import Entry, EntryMeans, Mean
from pipeline.tables.expected import Domain, Expected, Task
from pipeline.tables.long_form import AVERAGE, Place, Value
from pipeline.tables.markdown import Footnotes, emphasised, grid, heading
from pipeline.tables.naming import entry_title, group_title, in_order

_LEVELS: Final[dict[Task, tuple[str, tuple[str, str]]]] = {
    "image": ("Image-level (AUROC, AP)", ("image_auroc", "image_ap")),
    "pixel": ("Pixel-level (AUROC, PRO)", ("pixel_auroc", "pixel_pro")),
}


@dataclass(frozen=True)
class PaperTable:
    """Which table of the paper: its number, its data sets, its title."""

    number: int
    domain: Domain
    title: str


PAPER_TABLES: Final = (
    PaperTable(1, "industrial", "Zero-shot anomaly detection on industrial data sets"),
    PaperTable(2, "medical", "Zero-shot anomaly detection on medical data sets"),
)


@dataclass(frozen=True)
class _Line:
    """One line of a table: a data set or the average of a level, with a pair of means a method."""

    task: Task
    dataset: str
    pairs: Mapping[Entry, tuple[Mean, Mean]]


def methods_as_published(means: Mapping[Entry, EntryMeans]) -> dict[Entry, EntryMeans]:
    """The columns of the table: methods without their ablations, in order."""
    return {entry: means[entry] for entry in in_order(means) if not entry.variant}


def paper_markdown(
    table: PaperTable, means: Mapping[Entry, EntryMeans], expected: Expected, profile: str
) -> str:
    """The table in Markdown."""
    columns = methods_as_published(means)
    notes = Footnotes()
    rows = list(_rows(_lines(table, columns, expected), expected, notes))
    header = ["Task", "Category", "Data set", "C", *(entry_title(entry) for entry in columns)]
    body = grid(header, rows, text_columns=3) if rows else ["This run has no data set of this table."]
    title = heading(f"Table {table.number}. {table.title}", profile)
    return "\n".join([*title, *body, "", *_legend(columns), *notes.lines()]) + "\n"


def paper_values(
    table: PaperTable, means: Mapping[Entry, EntryMeans], expected: Expected, profile: str
) -> Iterator[Value]:
    """The table value by value, in the order of the Markdown table."""
    for line in _lines(table, methods_as_published(means), expected):
        place = Place(profile, str(table.number), line.dataset)
        for entry, pair in line.pairs.items():
            for metric, mean in zip(_LEVELS[line.task][1], pair, strict=True):
                yield place.value(entry, metric, mean)


def _lines(table: PaperTable, columns: Mapping[Entry, EntryMeans], expected: Expected) -> Iterator[_Line]:
    for task, (_, (first, second)) in _LEVELS.items():
        names = [name for name, it in expected.items() if it.domain == table.domain and task in it.tasks]
        for name in names:
            pairs = {
                e: (m.over_subsets(name, first), m.over_subsets(name, second)) for e, m in columns.items()
            }
            yield _Line(task, name, pairs)
        if names:
            pairs = {
                e: (m.over_datasets(names, first), m.over_datasets(names, second)) for e, m in columns.items()
            }
            yield _Line(task, AVERAGE, pairs)


def _rows(lines: Iterator[_Line], expected: Expected, notes: Footnotes) -> Iterator[list[str]]:
    above = ("", "")
    for line in lines:
        if line.dataset == AVERAGE:
            group, labels = "", ["Average", ""]
        else:
            record = expected[line.dataset]
            group, labels = group_title(record.group), [record.title, str(len(record.subsets))]
        level = _LEVELS[line.task][0]
        shown = ["" if level == above[0] else level, "" if (level, group) == above else group]
        yield [*shown, *labels, *_pair_cells(list(line.pairs.values()), notes)]
        above = (level, group)


def _pair_cells(pairs: Sequence[tuple[Mean, Mean]], notes: Footnotes) -> Iterator[str]:
    firsts, seconds = (emphasised(column) for column in zip(*pairs, strict=True))
    for first, second, pair in zip(firsts, seconds, pairs, strict=True):
        reasons = [mean.missing for mean in pair if mean.missing is not None]
        yield f"({first}, {second}){notes.mark(reasons)}"


def _legend(columns: Mapping[Entry, EntryMeans]) -> list[str]:
    lines = [
        "Percent. Plain mean over the C subsets of a data set, and over seeds where a method is learnt.",
        "Best in bold, second best in italics, compared as printed. `-`: undefined, unless a note says why.",
    ]
    lines += [_training(entry, means) for entry, means in columns.items() if means.auxiliaries()]
    return [f"- {line}" for line in lines]


def _training(entry: Entry, means: EntryMeans) -> str:
    tuned: dict[str, list[str]] = {}
    for dataset, auxiliary in means.auxiliaries().items():
        tuned.setdefault(auxiliary, []).append(dataset)
    usual = max(sorted(tuned), key=lambda auxiliary: len(tuned[auxiliary]))
    others = [f"on {name} for {', '.join(tuned[name])}" for name in sorted(tuned) if name != usual]
    seeds = ", ".join(str(seed) for seed in means.seeds)
    return f"{entry_title(entry)} was tuned {', '.join([f'on {usual}', *others])}; seeds: {seeds}."
