"""How tables and figures name things, and the order in which methods appear.

What is not listed here (a method or a group that somebody added) goes by its own name, after the paper's.


Which build of a data set do the numbers stand on? A line below every table.

A build is named by its test images (normal/anomalous) and the fingerprint of its files, and by what the
catalog calls it where it knows these counts. Both come from the rows, so they are true of what was measured.


What the paper prints in one place of a table: a pair of metrics of a level, such as (image AUROC, AP).

Also the legend below such tables. Knows no table.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from pipeline.catalog.fingerprint import build_digest
from pipeline.catalog.samples import Counts
from pipeline.tables.aggregate import Entry, EntryMeans
from pipeline.tables.expected import Expected, ExpectedSet, Task
from pipeline.tables.mean import MEASURED_FROM
from pipeline.tables.model import AVERAGE, SOURCE_MARKS, Section, Slot, numbers_of
from pipeline.tables.published import Source
from pipeline.tables.verdicts import OTHER_MACHINES, ROUNDING, References

METHOD_TITLES: Final = {
    "clip": "CLIP",
    "clip_ac": "CLIP-AC",
    "winclip": "WinCLIP",
    "vand": "VAND",
    "coop": "CoOp",
    "anomalyclip": "AnomalyCLIP",
}

METRIC_TITLES: Final = {
    "image_auroc": "image AUROC",
    "image_ap": "image AP",
    "image_f1_max": "image F1-max",
    "pixel_auroc": "pixel AUROC",
    "pixel_ap": "pixel AP",
    "pixel_f1_max": "pixel F1-max",
    "pixel_pro": "PRO (200 steps)",
    "pixel_pro_exact": "PRO (exact)",
}

_GROUP_TITLES: Final = {"object_and_texture": "Obj & texture", "object": "Obj"}

_NUMBERS: Final = re.compile(r"(\d+)")


def in_order(entries: Iterable[Entry]) -> list[Entry]:
    """The paper's methods in its order, then others by name; a variant after its method, 8 before 12."""
    known = list(METHOD_TITLES)

    def place(entry: Entry) -> tuple[int, str, list[str | int]]:
        rank = known.index(entry.method) if entry.method in known else len(known)
        return (rank, entry.method, [int(it) if it.isdigit() else it for it in _NUMBERS.split(entry.variant)])

    return sorted(entries, key=place)


def entry_title(entry: Entry) -> str:
    """The method as a table names it, such as `AnomalyCLIP` or `AnomalyCLIP (no_dpam)`."""
    title = METHOD_TITLES.get(entry.method, entry.method)
    return f"{title} ({entry.variant})" if entry.variant else title


def labelled(labels: Mapping[Entry, str]) -> list[str]:
    """A line of a legend: which entries stand behind the labels of a table. None without labels."""
    texts = [f"{label}: `{entry.name}`" for entry, label in labels.items()]
    return [f"{'; '.join(texts)}."] if texts else []


def group_title(group: str) -> str:
    """The category of data sets as a table names it."""
    return _GROUP_TITLES.get(group, group.replace("_", " ").capitalize())


_DIGITS = 12


def build_lines(means: Mapping[Entry, EntryMeans], expected: Expected, datasets: Iterable[str]) -> list[str]:
    """The line about the builds of `datasets`; none where nothing was measured."""
    texts = []
    for dataset in datasets:
        subsets: dict[str, tuple[str, Counts]] = {}
        for own in means.values():
            subsets |= own.builds(dataset)
        if subsets:
            texts.append(f"{expected[dataset].title} {_text(subsets, expected[dataset])}")
    return [f"Builds (normal/anomalous test images, fingerprint): {'; '.join(texts)}."] if texts else []


def _text(subsets: Mapping[str, tuple[str, Counts]], record: ExpectedSet) -> str:
    """Such as `286/54 1a2b3c4d5e6f, standard conversion`."""
    normal = sum(counts[0] for _, counts in subsets.values())
    anomalous = sum(counts[1] for _, counts in subsets.values())
    text = f"{normal}/{anomalous} `{build_digest(subsets)[:_DIGITS]}`"
    if len(subsets) < len(record.subsets):
        return f"{text}, {len(subsets)} of {len(record.subsets)} subsets"
    if record.build is not None and record.build.counts == (normal, anomalous):
        return f"{text}, {record.build.name}"
    return text


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
