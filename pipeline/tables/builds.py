"""Which build of a data set do the numbers stand on? A line below every table.

A build is named by its test images (normal/anomalous) and the fingerprint of its files, and by what the
catalog calls it where it knows these counts. Both come from the rows, so they are true of what was measured.
"""

from collections.abc import Iterable, Mapping

from pipeline.catalog.fingerprint import build_digest
from pipeline.catalog.samples import Counts
from pipeline.tables.aggregate import Entry, EntryMeans
from pipeline.tables.expected import Expected, ExpectedSet

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
