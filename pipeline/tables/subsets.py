"""The table of one data set: a section a method, its subsets and their mean in rows, metrics in columns.

A variant has a section where it was run; not every variant is meant for every data set.
"""

from collections.abc import Mapping

from pipeline.results import METRICS
from pipeline.tables.aggregate import Entry, EntryMeans
from pipeline.tables.builds import build_lines
from pipeline.tables.expected import Expected
from pipeline.tables.mean import Mean
from pipeline.tables.model import MEAN, Row, Section, Table, numbers_of
from pipeline.tables.naming import METRIC_TITLES, entry_title, in_order
from pipeline.tables.pairs import published_lines
from pipeline.tables.shortfall import shortfall
from pipeline.tables.verdicts import References, references


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
