"""The tables of one data set: a section a method, its subsets and their mean in rows, metrics in columns.

A variant has a section where it was run; not every variant is meant for every data set.
"""

from collections.abc import Iterator, Mapping

from pipeline.results import METRICS
from pipeline.tables.aggregate import Entry, EntryMeans, Mean
from pipeline.tables.builds import build_lines
from pipeline.tables.expected import ExpectedSet
from pipeline.tables.long_form import MEAN, Place, Value
from pipeline.tables.markdown import Footnotes, grid, heading, printed_or_dash
from pipeline.tables.naming import METRIC_TITLES, entry_title, in_order


def subsets_markdown(
    dataset: str, record: ExpectedSet, means: Mapping[Entry, EntryMeans], profile: str
) -> str:
    """The tables of `dataset` in Markdown."""
    notes = Footnotes()
    lines = heading(f"{record.title}, by subset", profile)
    lines += ["Percent; the last row is the plain mean over subsets.", ""]
    lines += [line for text in build_lines(means, {dataset: record}, [dataset]) for line in (text, "")]
    header = ["Subset", *(METRIC_TITLES[metric] for metric in METRICS)]
    for entry in _entries(dataset, means):
        rows = [_row(dataset, subset, means[entry], notes) for subset in (*record.subsets, MEAN)]
        lines += [f"## {entry_title(entry)}", "", *_training(dataset, means[entry])]
        lines += [*grid(header, rows, text_columns=1), ""]
    return "\n".join([*lines[:-1], *notes.lines()]) + "\n"


def subsets_values(
    dataset: str, record: ExpectedSet, means: Mapping[Entry, EntryMeans], profile: str
) -> Iterator[Value]:
    """The tables of `dataset` value by value, in the order of the Markdown tables."""
    for entry in _entries(dataset, means):
        for subset in (*record.subsets, MEAN):
            place = Place(profile, "subsets", dataset, subset)
            for metric in METRICS:
                yield place.value(entry, metric, _mean(dataset, subset, metric, means[entry]))


def _entries(dataset: str, means: Mapping[Entry, EntryMeans]) -> list[Entry]:
    return [entry for entry in in_order(means) if not entry.variant or means[entry].ran_on(dataset)]


def _row(dataset: str, subset: str, means: EntryMeans, notes: Footnotes) -> list[str]:
    cells = [_mean(dataset, subset, metric, means) for metric in METRICS]
    reasons = [mean.missing for mean in cells if mean.missing is not None]
    return [f"{subset}{notes.mark(reasons)}", *(printed_or_dash(mean) for mean in cells)]


def _mean(dataset: str, subset: str, metric: str, means: EntryMeans) -> Mean:
    return (
        means.over_subsets(dataset, metric) if subset == MEAN else means.over_seeds(dataset, subset, metric)
    )


def _training(dataset: str, means: EntryMeans) -> list[str]:
    auxiliary = means.auxiliaries().get(dataset)
    if auxiliary is None:
        return []
    return [
        f"Auxiliary set: {auxiliary}; mean over seeds: {', '.join(str(seed) for seed in means.seeds)}.",
        "",
    ]
