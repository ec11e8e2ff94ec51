"""Images anywhere, and one CSV that says which image is test, its label and its mask: VisA.

Columns `object,split,label,image,mask`; paths are relative to the folder that holds the data set. A path
that is not a file of the data set (also `../..` or an absolute one) makes its subset unusable.
"""

from collections.abc import Sequence
from typing import Literal

from pipeline.catalog.layouts.base import RESTORE, Layout, Reading
from pipeline.catalog.layouts.entries import csv_lines
from pipeline.catalog.samples import ANOMALOUS, GOOD, NORMAL, Sample
from pipeline.catalog.tree import Tree, join
from pipeline.errors import DataError

_COLUMNS = ("object", "split", "label", "image", "mask")
_LABELS = {"normal": NORMAL, "anomaly": ANOMALOUS}


class SplitCsv(Layout):
    """See the module.

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
        """List the rows whose split is `test`."""
        path = join(base, self.csv)
        reading = Reading(consulted=[path], reasons=(("*", f"not in the test split of {self.csv}"),))
        try:
            rows = _rows(tree, path)
        except DataError as error:
            reading.problems = dict.fromkeys(subsets, str(error))
            return reading
        for line, row in rows:
            if row["split"] == "test" and row["object"] in subsets:
                try:
                    reading.samples.append(_sample(tree, base, row))
                except DataError as error:
                    reading.problems.setdefault(row["object"], f"{path}, line {line}: {error}")
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
