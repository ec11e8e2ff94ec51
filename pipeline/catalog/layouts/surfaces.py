"""Surfaces as published, by rules of their own: KolektorSDD in pieces, DAGM 2007 with its label images."""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Literal

import numpy as np
from pydantic import Field

from pipeline.catalog.images import read_image
from pipeline.catalog.layouts.base import RESTORE, Layout, Reading, by_stem, find_mask, missing
from pipeline.catalog.masks import read_mask
from pipeline.catalog.samples import ANOMALOUS, GOOD, NORMAL, Sample
from pipeline.catalog.tree import Tree, join, stem
from pipeline.errors import DataError

PIECES = 3
NORMAL_SHARE = 4  # one normal piece out of so many is kept
SEED = 42  # of the script

_ITEM = re.compile(r"kos\d+")
_PART = re.compile(r"Part\d+", re.IGNORECASE)
_DAGM_REASONS = (
    ("*/Class*", "a second copy, as the archive has it"),
    ("*Train/*", "training part; only the test split is evaluated"),
    ("*Label/*", "label of no test image"),
)


class Kolektor(Layout):
    """KolektorSDD, cut into the pieces that the benchmark evaluates.

        kosNN/PartK.jpg   kosNN/PartK_label.bmp

    Each image is cut into three along its height (at h//3 and 2h//3), or into as many pieces as the record
    asks for; a piece is anomalous when its part of the mask has a non-zero pixel; all anomalous pieces and a
    quarter of the normal ones (rounded up) form the test split: 286/54 on the published data. This is the
    recipe of the conversion script that the authors of AnomalyCLIP point to (DRA, convert_SDD.py). That
    script draws the quarter with a fixed seed from names in directory order, so its draw differs between
    disks; here the names are sorted first.
    """

    kind: Literal["kolektor"]
    pieces: int = Field(default=PIECES, ge=1)

    def score(self, tree: Tree, base: str, subsets: Sequence[str]) -> float:  # noqa: ARG002
        """1 when there is an item folder."""
        return float(any(_ITEM.fullmatch(folder) for folder in tree.folders[base]))

    def read(self, tree: Tree, base: str, subsets: Sequence[str]) -> Reading:
        """Cut every image, label the pieces, keep the test split; `subsets` is one name."""
        (subset,) = subsets
        reading = Reading(reasons=(("kos*", "all pieces are normal and none was drawn for the test split"),))
        try:
            pieces = [
                piece
                for folder in tree.folders[base]
                if _ITEM.fullmatch(folder)
                for piece in _pieces(tree, join(base, folder), subset, self.pieces)
            ]
        except DataError as error:
            reading.problems[subset] = str(error)
            return reading
        reading.samples = [piece for piece in pieces if piece.label == ANOMALOUS]
        reading.samples += draw([piece for piece in pieces if piece.label == NORMAL])
        return reading


def draw(normal: Sequence[Sample]) -> list[Sample]:
    """The quarter of the normal pieces that is tested, as scikit-learn's `train_test_split` would draw it."""
    kept = -(-len(normal) // NORMAL_SHARE)
    # The legacy generator is the one that the script's library uses, and its stream is frozen.
    order = np.random.RandomState(SEED).permutation(len(normal))
    return [normal[index] for index in order[:kept]]


def _pieces(tree: Tree, folder: str, subset: str, pieces: int) -> Iterator[Sample]:
    """All pieces of one item, so many of each image, in the order of their names."""
    names = tree.images(folder)
    masks = by_stem(names)
    for name in names:
        if not _PART.fullmatch(stem(name)):
            continue
        image, mask = join(folder, name), find_mask(name, masks, ("{stem}_label",))
        if mask is None:
            raise DataError(f"{image}: no mask {stem(name)}_label beside it, or two; {RESTORE}")
        path = join(folder, mask)
        marked = np.asarray(read_mask(read_image(tree.open_path(path), path), path)) > 0
        height, width = marked.shape
        cuts = [height * piece // pieces for piece in range(pieces + 1)]
        for top, bottom in pairwise(cuts):
            label, defect = (ANOMALOUS, "defect") if marked[top:bottom].any() else (NORMAL, GOOD)
            yield Sample(subset, image, path, label, defect, (0, top, width, bottom))


class Dagm(Layout):
    """DAGM 2007.

        ClassN/Test/NNNN.PNG   ClassN/Test/Label/NNNN_label.PNG   ClassN/Test/Label/Labels.txt

    An image is anomalous when a label image of its number exists. `Labels.txt` names the label images too;
    one that it names and that is not there would turn a defect into a normal image, so it is an error. Of
    `Train` such an image is no reference.
    """

    kind: Literal["dagm"]

    def score(self, tree: Tree, base: str, subsets: Sequence[str]) -> float:
        """Share of the classes that have a `Test` folder."""
        return sum(join(base, f"{subset}/Test") in tree.folders for subset in subsets) / len(subsets)

    def read(self, tree: Tree, base: str, subsets: Sequence[str]) -> Reading:
        """List the `Test` folder of every class."""
        reading = Reading(reasons=_DAGM_REASONS)
        for subset in subsets:
            test = join(base, f"{subset}/Test")
            label = join(test, "Label")
            if lost := [folder for folder in (test, label) if folder not in tree.folders]:
                reading.problems[subset] = missing(lost[0])
                continue
            reading.samples += _images(tree, subset, test)
            table = join(label, "Labels.txt")
            if tree.has(table):
                reading.consulted.append(table)
                named = [join(label, name) for name in _labels_named(tree, table)]
                if unseen := [path for path in named if not tree.has(path)]:
                    reading.problems[subset] = f"{unseen[0]}: named in Labels.txt, but not there; {RESTORE}"
            reading.references += _trained(tree, subset, join(base, f"{subset}/Train"))
        return reading


def _trained(tree: Tree, subset: str, train: str) -> Iterator[Sample]:
    """The normal images of a training part; none where it is not there."""
    table = join(train, "Label/Labels.txt")
    named = {stem(name) for name in _labels_named(tree, table)} if tree.has(table) else set()
    for sample in _images(tree, subset, train):
        if sample.label == NORMAL and f"{stem(sample.image)}_label" not in named:
            yield sample


def _images(tree: Tree, subset: str, test: str) -> Iterator[Sample]:
    masks = by_stem(tree.images(join(test, "Label")))
    for name in tree.images(test):
        found = masks.get(f"{stem(name)}_label", [])
        mask = join(test, f"Label/{found[0]}") if len(found) == 1 else None
        label, defect = (ANOMALOUS, "defect") if found else (NORMAL, GOOD)
        yield Sample(subset, join(test, name), mask, label, defect)


def _labels_named(tree: Tree, table: str) -> list[str]:
    """Names of label images that stand in a `Labels.txt`."""
    words = tree.read(table).decode(errors="replace").split()
    return [word for word in words if stem(word).endswith("_label") and "." in word]
