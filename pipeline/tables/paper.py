"""The paper's tables by data set, and one table for each; every function gives None where the run fills none.

- Data sets in rows, methods or variants in columns: Tables 1 to 3, those of other suites, the user's own data
  sets, and Figure 6 as numbers. A section for each level, image level first; each group named once, the plain
  average at the end.
- One data set: a section for each system, its subsets and their mean in rows, metrics in columns.

Tables with variants in rows are in `ablations`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from pipeline import catalog
from pipeline.catalog import Domain, Task
from pipeline.cells import System
from pipeline.results import METRICS
from pipeline.tables.aggregate import SystemMeans
from pipeline.tables.legend import (
    LEVEL_TITLES,
    METRIC_TITLES,
    group_title,
    labelled,
    legend,
    over_datasets,
    over_subsets,
    published_lines,
)
from pipeline.tables.model import MEAN, Row, Section, Table, numbers_of, ranked
from pipeline.tables.outcome import Outcome
from pipeline.tables.published import SINCE
from pipeline.tables.verdicts import References, references

# A variant is known here by its name alone; what it sets is the business of `params.yaml`.
TUNINGS: Final = {
    System("vand"): "VAND",
    System("vand", "medical"): "VAND, medical",
    System("anomalyclip"): "AnomalyCLIP",
    System("anomalyclip", "medical"): "AnomalyCLIP, medical",
}
"""Table 3: what a method is tuned on."""

ATTENTIONS: Final = {
    System("anomalyclip", variant): label for variant, label in {"": "V-V", "qq": "Q-Q", "kk": "K-K"}.items()
}
"""Figure 6: attention of the local path."""

_TUNED_ON: Final = "colon_auxiliary"  # the medical variants of Table 3


def table1(outcome: Outcome) -> Table:
    """Table 1: the methods that were run, without ablations."""
    title = "Table 1. Zero-shot anomaly detection on industrial data sets"
    return _by_dataset("table1", title, _part(outcome, _not_since(outcome), "industrial"))


def table2(outcome: Outcome) -> Table:
    """Table 2: likewise."""
    title = "Table 2. Zero-shot anomaly detection on medical data sets"
    return _by_dataset("table2", title, _part(outcome, _not_since(outcome), "medical"))


def since_industrial(outcome: Outcome) -> Table | None:
    """Table 1 with the methods published since beside the paper's, where one was run."""
    return _since("industrial", outcome)


def since_medical(outcome: Outcome) -> Table | None:
    """Table 2 likewise."""
    return _since("medical", outcome)


def _since(domain: Domain, outcome: Outcome) -> Table | None:
    if len(_not_since(outcome)) == len(outcome.methods):
        return None
    title = f"Methods since 2024 beside the paper's, on {domain} data sets"
    return _by_dataset(f"since_{domain}", title, _part(outcome, outcome.methods, domain))


def _not_since(outcome: Outcome) -> list[System]:
    return [system for system in outcome.methods if system.method not in SINCE]


def table3(outcome: Outcome) -> Table | None:
    """Table 3, without the data sets whose images the medical auxiliary set holds.

    What is not known about that set stands below.
    """
    if not outcome.has_variant(TUNINGS):
        return None
    record = catalog.record(_TUNED_ON)
    part = _part(outcome, TUNINGS, "medical")
    part = part.only(TUNINGS, [name for name in part.expected if name not in record.holds_images_of])
    tuned_on = (
        f"{record.paper_name} (`{record.name}`): {record.title}.",
        f"Not known about the paper's: {'; '.join(record.unconfirmed)}.",
    )
    title = "Table 3. Medical data sets, tuned on industrial and on medical images"
    return _by_dataset("table3", title, part, TUNINGS, tuned_on)


def industrial_table(outcome: Outcome) -> Table | None:
    """The industrial data sets of another suite, where there are any."""
    return _of_domain("industrial", outcome, outcome.methods, "Zero-shot anomaly detection")


def medical_table(outcome: Outcome) -> Table | None:
    """Likewise the medical ones."""
    return _of_domain("medical", outcome, outcome.methods, "Zero-shot anomaly detection")


def track_industrial(outcome: Outcome) -> Table | None:
    """The industrial data sets of a track other than the main one, variants in columns of their own."""
    return _of_domain("industrial", outcome, outcome.means, "Anomaly detection")


def track_medical(outcome: Outcome) -> Table | None:
    """Likewise the medical ones."""
    return _of_domain("medical", outcome, outcome.means, "Anomaly detection")


def _of_domain(domain: Domain, outcome: Outcome, systems: Iterable[System], what: str) -> Table | None:
    part = _part(outcome, systems, domain)
    title, averaged = f"{what} on {domain} data sets", list(part.expected) in outcome.divisions.values()
    return _by_dataset(domain, title, part, averaged=averaged) if part.expected else None


def own_table(outcome: Outcome) -> Table | None:
    """The user's data sets, where one was run."""
    part = _part(outcome, outcome.methods, "own")
    ran = any(own.ran_on(name) for own in outcome.means.values() for name in part.expected)
    return _by_dataset("own", "Own data sets", part) if ran else None


def figure6(outcome: Outcome) -> Table | None:
    """Figure 6 as numbers."""
    if not outcome.has_variant(ATTENTIONS):
        return None
    part = _part(outcome, ATTENTIONS, "industrial", "medical")
    return _by_dataset("figure6", "Figure 6. Attention of DPAM in AnomalyCLIP", part, ATTENTIONS)


def subsets_table(dataset: str, outcome: Outcome) -> Table:
    """The table of `dataset`; a variant has a section where it was run."""
    ran = [it for it, own in outcome.means.items() if not it.variant or own.ran_on(dataset)]
    part = outcome.only(ran, [dataset])
    published = references("subsets", outcome.label)
    sections = tuple(
        _system_section(outcome.title(system), dataset, own, published) for system, own in part.means.items()
    )
    return Table(
        f"subsets/{dataset}",
        f"{part.expected[dataset].title}, by subset",
        part,
        sections,
        tuple(published_lines(sections)),
        lead=("Percent; the last row is the plain mean over subsets.",),
    )


def _part(outcome: Outcome, systems: Iterable[System], *domains: Domain) -> Outcome:
    return outcome.only(systems, [name for name, it in outcome.expected.items() if it.domain in domains])


def _by_dataset(
    name: str,
    title: str,
    part: Outcome,
    labels: Mapping[System, str] | None = None,
    remarks: Sequence[str] = (),
    *,
    averaged: bool = True,
) -> Table:
    """Data sets in rows, the systems of `part` in columns, titled by `labels` where given."""
    titles = [part.title(system) if labels is None else labels[system] for system in part.means]
    header = ("Category", "Data set", "C", *titles)
    published = references(name, part.label)
    levels = {
        LEVEL_TITLES[task]: tuple(_dataset_rows(part, task, published, averaged=averaged))
        for task in LEVEL_TITLES
    }
    sections = tuple(Section(header, rows, 2, level) for level, rows in levels.items() if rows)
    sections = sections or (Section(header, (), 2),)
    lines = (*labelled(labels or {}), "C: number of subsets.", *legend(part, sections), *remarks)
    return Table(name, title, part, sections, lines)


def _dataset_rows(part: Outcome, task: Task, published: References, *, averaged: bool) -> Iterator[Row]:
    names = [name for name, it in part.expected.items() if task in it.tasks]
    above = ""
    for name in names:
        record = part.expected[name]
        group = group_title(record.group)
        slots = [over_subsets(own, name, task, published) for own in part.means.values()]
        labels = ("" if group == above else group, record.title, str(len(record.subsets)))
        yield Row(labels, tuple(ranked(slots)))
        above = group
    if names and averaged:
        slots = [over_datasets(own, names, task) for own in part.means.values()]
        yield Row(("", "Average", ""), tuple(ranked(slots)))


def _system_section(title: str, dataset: str, own: SystemMeans, published: References) -> Section:
    subsets = own.expected(dataset).subsets
    values = {
        subset: {metric: own.over_seeds(dataset, subset, metric) for metric in METRICS} for subset in subsets
    }
    values[MEAN] = {metric: own.over_subsets(dataset, metric) for metric in METRICS}
    rows = tuple(
        Row((subset,), tuple((number,) for number in numbers_of(own, dataset, subset, means, published)))
        for subset, means in values.items()
    )
    header = ("Subset", *(METRIC_TITLES[metric] for metric in METRICS))
    return Section(header, rows, 1, title, _training(dataset, own), notes_at_name=True)


def _training(dataset: str, own: SystemMeans) -> tuple[str, ...]:
    auxiliary = own.auxiliaries().get(dataset)
    if auxiliary is None:
        return ()
    return (f"Auxiliary set: {auxiliary}; mean over seeds: {', '.join(str(seed) for seed in own.seeds)}.",)
