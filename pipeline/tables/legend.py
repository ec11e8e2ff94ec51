"""How tables name things, the pairs that they print, and the lines below them.

In one place of a table the paper prints a pair of metrics of a level, such as (image AUROC, AP). The lines
below say how to read it, what learnt systems were tuned on, where published numbers are from, and on which
build of each data set the numbers stand: by its test images (normal/anomalous) and the fingerprint of its
files, both from the rows, so they are true of what was measured.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Final

from pipeline import catalog
from pipeline.catalog import Counts, Task
from pipeline.catalog.builds import build_digest
from pipeline.cells import System
from pipeline.results import CellRow
from pipeline.tables.aggregate import SystemMeans
from pipeline.tables.expected import Expected, ExpectedSet
from pipeline.tables.mean import MEASURED_FROM
from pipeline.tables.model import AVERAGE, SOURCE_MARKS, Section, Slot, numbers_of
from pipeline.tables.outcome import Outcome
from pipeline.tables.published import Source
from pipeline.tables.verdicts import OTHER_MACHINES, ROUNDING, References, Verdict

METRIC_TITLES: Final = {
    "image_auroc": "image AUROC",
    "image_ap": "image AP",
    "image_f1_max": "image F1-max",
    "pixel_auroc": "pixel AUROC",
    "pixel_ap": "pixel AP",
    "pixel_f1_max": "pixel F1-max",
    "pixel_pro": "PRO (200 steps)",
    "pixel_pro_exact": "PRO (exact)",
    "pixel_pro_exact_005": "PRO (exact, 0.05)",
}
CARRIED_F1: Final = "image_f1_carried"
"""Not of a row: F1 at a threshold from another set; see `pipeline.tables.all_metrics`."""

LEVEL_TITLES: Final[dict[Task, str]] = {
    "image": "Image-level (AUROC, AP)",
    "pixel": "Pixel-level (AUROC, PRO)",
}
LEVEL_METRICS: Final[dict[Task, tuple[str, str]]] = {
    "image": ("image_auroc", "image_ap"),
    "pixel": ("pixel_auroc", "pixel_pro"),
}

_GROUP_TITLES: Final = {"object_and_texture": "Obj & texture", "object": "Obj"}
_SOURCES: Final[dict[Source, str]] = {
    "paper": "the paper",
    "other paper": "the method's own paper",
    "authors' log": "the log that the authors published with their checkpoints",
    "review thread": "the authors in the public review thread",
}
_RULE_TITLES: Final = {
    "track": "track",
    "protocol": "protocol",
    "build_name": "builds",
    "epochs_rule": "epoch",
    "chosen_on_target": "chosen on the target",
}
TRACK_LINES: Final = {
    "batch": "Batch track: an image's score depends on all test images of its subset. These rows are in no "
    "other table, average or rank.",
    "few-shot": "Few-shot track: normal training images of the target are seen, one where nothing else is "
    "said. These rows are in no other table, average or rank.",
}
"""What stands on top of the tables of a track other than the main one."""

_DIGITS: Final = 12  # of a fingerprint


def group_title(group: str) -> str:
    """The category of data sets as a table names it."""
    return _GROUP_TITLES.get(group, group.replace("_", " ").capitalize())


def over_subsets(own: SystemMeans, dataset: str, task: Task, published: References) -> Slot:
    """The pair of a data set."""
    means = {metric: own.over_subsets(dataset, metric) for metric in LEVEL_METRICS[task]}
    return numbers_of(own, dataset, "", means, published)


def over_datasets(own: SystemMeans, datasets: Sequence[str], task: Task) -> Slot:
    """The pair of averages over data sets, which the paper does not print."""
    means = {metric: own.over_datasets(datasets, metric) for metric in LEVEL_METRICS[task]}
    return numbers_of(own, AVERAGE, "", means, {})


def legend(outcome: Outcome, sections: Sequence[Section]) -> list[str]:
    """How to read a table of pairs, what its learnt systems were tuned on, and what it is compared with."""
    return [
        "Percent. Plain mean over the subsets of a data set, and over seeds where a method is learnt.",
        "PRO: 200 thresholds, false positive rates below 0.3, as in the paper's code (docs/protocol.md).",
        "Best in bold, second best in italics, compared as printed. `-`: undefined, unless a note says why.",
        *tied_lines(outcome),
        *auxiliary_lines(outcome),
        *published_lines(sections),
    ]


def labelled(labels: Mapping[System, str]) -> list[str]:
    """A line: which systems stand behind the labels of a table. None without labels."""
    texts = [f"{label}: `{system.name}`" for system, label in labels.items()]
    return [f"{'; '.join(texts)}."] if texts else []


def published_lines(sections: Sequence[Section]) -> list[str]:
    """How to read the published numbers, and where they are from; nothing where there are none."""
    found = {it.comparison.published.source for part in sections for it in part.numbers() if it.comparison}
    if not found:
        return []
    sources = [f"{SOURCE_MARKS[it]} {text}".strip() for it, text in _SOURCES.items() if it in found]
    told = {
        f"{it.comparison.published.system.name} {it.comparison.published.chosen_on_target}"
        f" ({it.comparison.published.shown_by or 'no file'})"
        for part in sections
        for it in part.numbers()
        if it.comparison and not it.system.variant
    }
    return [
        "95 % interval: another draw of test images, and other trainings where there are "
        f"{MEASURED_FROM} seeds or more.",
        f"Published by {'; '.join(sources)}.",
        f"Chosen on the target in what is published: {'; '.join(sorted(told))}.",
        f"Reproduced: measured and published differ by no more than rounding ({ROUNDING}) and other machines "
        f"({OTHER_MACHINES}), for a learnt method rounding and another training.",
        *_unsure_lines(sections),
    ]


def _unsure_lines(sections: Sequence[Section]) -> list[str]:
    """What those verdicts mean that excuse a difference by what is not known of trainings."""
    told = {it.comparison.verdict for part in sections for it in part.numbers() if it.comparison}
    lines: dict[Verdict, str] = {
        "within retrainings": "Within retrainings: by no more than public retrainings are known to "
        "differ in the metric.",
        "needs three seeds": f"Needs three seeds: how far trainings differ in the metric is not known; "
        f"{MEASURED_FROM} seeds measure it.",
    }
    return [line for verdict, line in lines.items() if verdict in told]


def tied_lines(outcome: Outcome) -> list[str]:
    """The line about cells that rank no image, because one score is that of all; none where there are none.

    Their metrics are then those of calling every image anomalous, as hardly any other scores have them.
    """
    texts = [
        f"{outcome.title(system)} on {outcome.expected[row.dataset].title} ({row.subset}) "
        f"{row.n_images} of {row.n_images}"
        for system, own in outcome.means.items()
        for row in own.rows
        if row.dataset in outcome.expected and _tied(row)
    ]
    return [f"Image scores that are equal, so that nothing is ranked: {'; '.join(texts)}."] if texts else []


def _tied(row: CellRow) -> bool:
    if row.image_auroc != 0.5 or row.image_ap is None or row.image_f1_max is None or not row.n_images:
        return False
    share = (row.n_anomalous or 0) / row.n_images
    return math.isclose(row.image_ap, share) and math.isclose(row.image_f1_max, 2 * share / (1 + share))


def rule_lines(outcome: Outcome) -> list[str]:
    """The line about the rule of the benchmark, from the rows; one that older rows do not keep is said."""
    rows = [row for own in outcome.means.values() for row in own.rows if row.status == "ok"]
    if not rows:
        return []
    told = [f"{title} {_words(rows, column)}" for column, title in _RULE_TITLES.items()]
    return [f"Rule (docs/protocol.md#the-rule): {'; '.join(told)}."]


def suite_line(suite: str, expected: Expected) -> str:
    """What is in a suite, and what of it a run does not have."""
    titles = {name: catalog.record(name).paper_name for name in catalog.names(suite)}
    absent = [title for name, title in titles.items() if name not in expected]
    without = f" This run has no {', '.join(absent)}, and no average without them." if absent else ""
    return f"Suite {suite}, a closed list: {', '.join(titles.values())}.{without}"


def _words(rows: Sequence[CellRow], column: str) -> str:
    words = {getattr(row, column) or "not said" for row in rows} - {"none"}
    return ", ".join(sorted(words)) or "none"


def auxiliary_lines(outcome: Outcome) -> list[str]:
    """A line for every auxiliary set and choice of seeds, with the systems that share it."""
    sharing: dict[str, list[str]] = {}
    for system, own in outcome.means.items():
        if own.auxiliaries():
            sharing.setdefault(_auxiliary(own), []).append(outcome.title(system))
    return [f"Auxiliary set of {', '.join(titles)}: {text}." for text, titles in sharing.items()]


def build_lines(outcome: Outcome) -> list[str]:
    """The line about the builds of its data sets; none where nothing was measured."""
    texts = []
    for dataset, record in outcome.expected.items():
        subsets: dict[str, tuple[str, Counts]] = {}
        for own in outcome.means.values():
            subsets |= own.builds(dataset)
        if subsets:
            texts.append(f"{record.title} {_build(subsets, record)}")
    return [f"Builds (normal/anomalous test images, fingerprint): {'; '.join(texts)}."] if texts else []


def _auxiliary(own: SystemMeans) -> str:
    tuned: dict[str, list[str]] = {}
    for dataset, auxiliary in own.auxiliaries().items():
        tuned.setdefault(auxiliary, []).append(dataset)
    usual = max(sorted(tuned), key=lambda auxiliary: len(tuned[auxiliary]))
    others = [f"{name} for {', '.join(tuned[name])}" for name in sorted(tuned) if name != usual]
    seeds = ", ".join(str(seed) for seed in own.seeds)
    return f"{', '.join([usual, *others])}; seeds: {seeds}"


def _build(subsets: Mapping[str, tuple[str, Counts]], record: ExpectedSet) -> str:
    """Such as `286/54 1a2b3c4d5e6f, standard conversion`, the name where the catalog knows these counts."""
    normal = sum(counts[0] for _, counts in subsets.values())
    anomalous = sum(counts[1] for _, counts in subsets.values())
    text = f"{normal}/{anomalous} `{build_digest(subsets)[:_DIGITS]}`"
    if len(subsets) < len(record.subsets):
        return f"{text}, {len(subsets)} of {len(record.subsets)} subsets"
    if record.build is not None and record.build.counts == (normal, anomalous):
        return f"{text}, {record.build.name}"
    return text
