"""Layouts whose labels stand in a CSV file: HeadCT and VisA as published.

Free lists of any column names, and of JSON, are in `image_list`.
"""

from collections.abc import Sequence
from typing import Literal

from pipeline.catalog.layouts.base import RESTORE, Layout, Reading, by_stem
from pipeline.catalog.layouts.entries import csv_lines
from pipeline.catalog.samples import ANOMALOUS, GOOD, NORMAL, Sample
from pipeline.catalog.tree import Tree, join
from pipeline.errors import DataError

_COLUMNS = ("object", "split", "label", "image", "mask")
_LABELS = {"normal": NORMAL, "anomaly": ANOMALOUS}
_LONGEST_NUMBER = 9  # digits; longer ones are no image numbers, and Python refuses to read very long ones


class LabelCsv(Layout):
    """One folder of numbered images and a CSV of (number, flag): HeadCT.

    The header may have spaces around its names, and the image folder may be nested once or twice. Flag 1 is
    anomalous. There are no masks.

    Attributes:
        csv: the label file.
        images: folders that may hold the images; the first that has any is taken.
        digits: an image is called by its number, zero-padded to so many digits.
        defect: what the anomalous images show.
    """

    kind: Literal["label_csv"]
    csv: str
    images: tuple[str, ...]
    digits: int
    defect: str

    def score(self, tree: Tree, base: str, subsets: Sequence[str]) -> float:  # noqa: ARG002
        """Half for the label file, half for an image folder."""
        return (tree.has(join(base, self.csv)) + (self._source(tree, base) is not None)) / 2

    def read(self, tree: Tree, base: str, subsets: Sequence[str]) -> Reading:
        """Label every image by its line in the CSV; `subsets` is one name."""
        (subset,) = subsets
        path = join(base, self.csv)
        source = self._source(tree, base) or join(base, self.images[0])
        reading = Reading(consulted=[path], reasons=(("*", f"not in {self.csv}"),))
        images = by_stem(tree.images(source))
        try:
            for number, flag in _flags(tree, path):
                names = images.get(f"{number:0{self.digits}d}", [])
                if len(names) != 1:
                    raise DataError(f"{source}: {len(names)} images with number {number}, not one; {RESTORE}")
                defect = self.defect if flag else GOOD
                label = ANOMALOUS if flag else NORMAL
                reading.samples.append(Sample(subset, join(source, names[0]), None, label, defect))
        except DataError as error:
            reading.problems[subset] = str(error)
        return reading

    def _source(self, tree: Tree, base: str) -> str | None:
        folders = (join(base, folder) for folder in self.images)
        return next((folder for folder in folders if tree.images(folder)), None)


def _flags(tree: Tree, path: str) -> list[tuple[int, bool]]:
    """(image number, anomalous) of every line below the header.

    Raises:
        DataError: the file is missing, or a line is not a number and a flag, or has a number that was there.
    """
    flags: dict[int, bool] = {}
    for line, cells in csv_lines(tree, path)[1:]:
        if not any(cells):
            continue
        if len(cells) != 2 or not _is_number(cells[0]) or cells[1] not in {"0", "1"}:
            raise DataError(f"{path}, line {line}: expected `number,0` or `number,1`; {RESTORE}")
        if int(cells[0]) in flags:
            raise DataError(f"{path}, line {line}: number {cells[0]} occurs twice; {RESTORE}")
        flags[int(cells[0])] = cells[1] == "1"
    return list(flags.items())


def _is_number(cell: str) -> bool:
    return cell.isdecimal() and len(cell) <= _LONGEST_NUMBER


class SplitCsv(Layout):
    """Images anywhere, and one CSV that says which image is test, its label and its mask: VisA.

    Columns `object,split,label,image,mask`; paths are relative to the folder that holds the data set. A path
    that is not a file of the data set (also `../..` or an absolute one) makes its subset unusable.

    Attributes:
        csv: the split file.
    """

    kind: Literal["split_csv"]
    csv: str

    def score(self, tree: Tree, base: str, subsets: Sequence[str]) -> float:
        """Half for the split file, half for the share of subset folders."""
        present = sum(join(base, subset) in tree.folders for subset in subsets) / len(subsets)
        return (tree.has(join(base, self.csv)) + present) / 2

    def read(self, tree: Tree, base: str, subsets: Sequence[str]) -> Reading:
        """List the rows whose split is `test`; normal ones of `train` are references where they are there."""
        path = join(base, self.csv)
        reading = Reading(consulted=[path], reasons=(("*", f"not in the test split of {self.csv}"),))
        try:
            rows = _rows(tree, path)
        except DataError as error:
            reading.problems = dict.fromkeys(subsets, str(error))
            return reading
        for line, row in rows:
            subset, image = row["object"], join(base, row["image"])
            if row["split"] == "test" and subset in subsets:
                try:
                    reading.samples.append(_sample(tree, base, row))
                except DataError as error:
                    reading.problems.setdefault(subset, f"{path}, line {line}: {error}")
            trained = row["split"] == "train" and _LABELS.get(row["label"]) == NORMAL
            if trained and subset in subsets and tree.has(image):
                reading.references.append(Sample(subset, image, None, NORMAL, GOOD))
        return reading


def _rows(tree: Tree, path: str) -> list[tuple[int, dict[str, str]]]:
    """(line number, row) of the split file.

    Raises:
        DataError: the file is missing or no CSV, or a column or a cell is missing.
    """
    lines = csv_lines(tree, path)
    header = lines[0][1] if lines else []
    if not set(header) >= set(_COLUMNS):
        raise DataError(f"{path}: columns {', '.join(_COLUMNS)} expected; {RESTORE}")
    for line, cells in lines[1:]:
        if len(cells) != len(header):
            raise DataError(f"{path}, line {line}: not {len(header)} cells; {RESTORE}")
    return [(line, dict(zip(header, cells, strict=True))) for line, cells in lines[1:]]


def _sample(tree: Tree, base: str, row: dict[str, str]) -> Sample:
    """One row as a sample; the mask of an anomalous image may still be missing."""
    label = _LABELS.get(row["label"])
    if label is None:
        raise DataError(f"label {row['label']!r} is neither normal nor anomaly; {RESTORE}")
    image, mask = join(base, row["image"]), join(base, row["mask"]) if row["mask"] else None
    for path in (image, mask):
        if path is not None and not tree.has(path):
            raise DataError(f"{path}: no such file in the data set; {RESTORE}")
    return Sample(row["object"], image, mask, label, GOOD if label == NORMAL else row["label"])
