"""DAGM 2007 as its archive has it.

    ClassN/Test/NNNN.PNG   ClassN/Test/Label/NNNN_label.PNG   ClassN/Test/Label/Labels.txt

An image is anomalous when a label image of its number exists. `Labels.txt` names the label images too; one
that it names and that is not there would turn a defect into a normal image, so it is an error.
"""

from collections.abc import Iterator, Sequence
from typing import Literal

from pipeline.catalog.layouts.base import RESTORE, Layout, Reading, by_stem, missing
from pipeline.catalog.samples import ANOMALOUS, GOOD, NORMAL, Sample
from pipeline.catalog.tree import Tree, join, stem

_REASONS = (
    ("*/Class*", "a second copy, as the archive has it"),
    ("*Train/*", "training part; only the test split is evaluated"),
    ("*Label/*", "label of no test image"),
)


class Dagm(Layout):
    """See the module."""

    kind: Literal["dagm"]

    def score(self, tree: Tree, base: str, subsets: Sequence[str]) -> float:
        """Share of the classes that have a `Test` folder."""
        return sum(join(base, f"{subset}/Test") in tree.folders for subset in subsets) / len(subsets)

    def read(self, tree: Tree, base: str, subsets: Sequence[str]) -> Reading:
        """List the `Test` folder of every class."""
        reading = Reading(reasons=_REASONS)
        for subset in subsets:
            test = join(base, f"{subset}/Test")
            label = join(test, "Label")
            if lost := [folder for folder in (test, label) if folder not in tree.folders]:
                reading.problems[subset] = missing(lost[0])
                continue
            reading.samples += _samples(tree, subset, test)
            table = join(label, "Labels.txt")
            if tree.has(table):
                reading.consulted.append(table)
                named = [join(label, name) for name in _named(tree, table)]
                if unseen := [path for path in named if not tree.has(path)]:
                    reading.problems[subset] = f"{unseen[0]}: named in Labels.txt, but not there; {RESTORE}"
        return reading


def _samples(tree: Tree, subset: str, test: str) -> Iterator[Sample]:
    masks = by_stem(tree.images(join(test, "Label")))
    for name in tree.images(test):
        found = masks.get(f"{stem(name)}_label", [])
        mask = join(test, f"Label/{found[0]}") if len(found) == 1 else None
        label, defect = (ANOMALOUS, "defect") if found else (NORMAL, GOOD)
        yield Sample(subset, join(test, name), mask, label, defect)


def _named(tree: Tree, table: str) -> list[str]:
    """Names of label images that stand in a `Labels.txt`."""
    words = tree.read(table).decode(errors="replace").split()
    return [word for word in words if stem(word).endswith("_label") and "." in word]
