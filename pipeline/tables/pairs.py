"""What the paper prints in one place of a table: a pair of metrics of a level, such as (image AUROC, AP).

Also the legend below such tables. Knows no table.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from pipeline.tables.aggregate import Entry, EntryMeans
from pipeline.tables.expected import Task
from pipeline.tables.mean import MEASURED_FROM
from pipeline.tables.model import AVERAGE, Section, Slot, numbers_of
from pipeline.tables.naming import entry_title
from pipeline.tables.printing import SOURCE_MARKS
from pipeline.tables.published import Source
from pipeline.tables.verdicts import OTHER_MACHINES, ROUNDING, References

LEVEL_TITLES: Final[dict[Task, str]] = {
    "image": "Image-level (AUROC, AP)",
    "pixel": "Pixel-level (AUROC, PRO)",
}
LEVEL_METRICS: Final[dict[Task, tuple[str, str]]] = {
    "image": ("image_auroc", "image_ap"),
    "pixel": ("pixel_auroc", "pixel_pro"),
}
_SOURCES: Final[dict[Source, str]] = {
    "paper": "the paper",
    "other paper": "the method's own paper",
    "authors' log": "the log that the authors published with their checkpoints",
}


def over_subsets(entry: Entry, own: EntryMeans, dataset: str, task: Task, published: References) -> Slot:
    """The pair of a data set."""
    means = {metric: own.over_subsets(dataset, metric) for metric in LEVEL_METRICS[task]}
    return numbers_of(entry, own, (dataset, ""), means, published)


def over_datasets(entry: Entry, own: EntryMeans, datasets: Sequence[str], task: Task) -> Slot:
    """The pair of averages over data sets, which the paper does not print."""
    means = {metric: own.over_datasets(datasets, metric) for metric in LEVEL_METRICS[task]}
    return numbers_of(entry, own, (AVERAGE, ""), means, {})


def legend(means: Mapping[Entry, EntryMeans]) -> list[str]:
    """How to read a table of pairs, and what stands behind its learnt entries."""
    return [
        "Percent. Plain mean over the subsets of a data set, and over seeds where a method is learnt.",
        "PRO: 200 thresholds, false positive rates below 0.3, as in the paper's code (docs/protocol.md).",
        "Best in bold, second best in italics, compared as printed. `-`: undefined, unless a note says why.",
        *auxiliary_lines(means),
    ]


def published_lines(sections: Sequence[Section]) -> list[str]:
    """How to read the published numbers, and where they are from; nothing where there are none."""
    told = [it.comparison for section in sections for it in section.numbers() if it.comparison]
    if not told:
        return []
    found = {it.published.source for it in told}
    sources = [f"{SOURCE_MARKS[it]} {text}".strip() for it, text in _SOURCES.items() if it in found]
    return [
        "95 % interval: another draw of test images, and other trainings where there are "
        f"{MEASURED_FROM} seeds or more.",
        f"Published by {'; '.join(sources)}.",
        f"Reproduced: measured and published differ by no more than rounding ({ROUNDING}) and other machines "
        f"({OTHER_MACHINES}), for a learnt method rounding and another training.",
    ]


def auxiliary_lines(means: Mapping[Entry, EntryMeans]) -> list[str]:
    """A line for every auxiliary set and choice of seeds, with the entries that share it."""
    sharing: dict[str, list[str]] = {}
    for entry, own in means.items():
        if own.auxiliaries():
            sharing.setdefault(_auxiliary(own), []).append(entry_title(entry))
    return [f"Auxiliary set of {', '.join(titles)}: {text}." for text, titles in sharing.items()]


def _auxiliary(means: EntryMeans) -> str:
    tuned: dict[str, list[str]] = {}
    for dataset, auxiliary in means.auxiliaries().items():
        tuned.setdefault(auxiliary, []).append(dataset)
    usual = max(sorted(tuned), key=lambda auxiliary: len(tuned[auxiliary]))
    others = [f"{name} for {', '.join(tuned[name])}" for name in sorted(tuned) if name != usual]
    seeds = ", ".join(str(seed) for seed in means.seeds)
    return f"{', '.join([usual, *others])}; seeds: {seeds}"
