"""What the paper prints in one place of a table: a pair of metrics of a level, such as (image AUROC, AP).

Also the legend below such tables. Knows no table.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from pipeline.tables.aggregate import Entry, EntryMeans, Mean
from pipeline.tables.expected import Task
from pipeline.tables.markdown import Footnotes, emphasised
from pipeline.tables.naming import entry_title

Pair = tuple[Mean, Mean]

LEVEL_TITLES: Final[dict[Task, str]] = {
    "image": "Image-level (AUROC, AP)",
    "pixel": "Pixel-level (AUROC, PRO)",
}
LEVEL_METRICS: Final[dict[Task, tuple[str, str]]] = {
    "image": ("image_auroc", "image_ap"),
    "pixel": ("pixel_auroc", "pixel_pro"),
}


def over_subsets(means: EntryMeans, dataset: str, task: Task) -> Pair:
    """The pair of a data set."""
    first, second = LEVEL_METRICS[task]
    return means.over_subsets(dataset, first), means.over_subsets(dataset, second)


def over_datasets(means: EntryMeans, datasets: Sequence[str], task: Task) -> Pair:
    """The pair of averages over data sets."""
    first, second = LEVEL_METRICS[task]
    return means.over_datasets(datasets, first), means.over_datasets(datasets, second)


def pair_texts(pairs: Sequence[Pair]) -> list[str]:
    """Pairs that compete with each other, as `(91.5, 96.2)`, each metric's best and second best marked."""
    firsts, seconds = (emphasised([pair[place] for pair in pairs]) for place in (0, 1))
    return [f"({first}, {second})" for first, second in zip(firsts, seconds, strict=True)]


def pair_cells(texts: Sequence[str], pairs: Sequence[Pair], notes: Footnotes) -> list[str]:
    """The texts of a row, each marked with why a value of its pair is missing."""
    return [f"{text}{notes.mark(reasons(pair))}" for text, pair in zip(texts, pairs, strict=True)]


def reasons(means: Sequence[Mean]) -> list[str]:
    """Why values are missing, as footnotes take them."""
    return [mean.missing for mean in means if mean.missing is not None]


def legend(means: Mapping[Entry, EntryMeans]) -> list[str]:
    """How to read a table of pairs, and what stands behind its learnt entries."""
    return [
        "Percent. Plain mean over the subsets of a data set, and over seeds where a method is learnt.",
        "Best in bold, second best in italics, compared as printed. `-`: undefined, unless a note says why.",
        *auxiliary_lines(means),
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
