"""Images anywhere below the folder, and one CSV with a line an image: for data sets that a user brings.

Columns `image,label` and, where there is any, `mask`, `subset`, `split`. Paths count from the folder of the
CSV. One label means normal, any other is the name of a defect; with a `split` only `test` is listed.
"""

from collections.abc import Sequence
from typing import Literal

from pipeline.catalog.layouts.base import Layout, Reading, csv_lines
from pipeline.catalog.samples import ANOMALOUS, GOOD, NORMAL, Sample
from pipeline.catalog.tree import Tree, join
from pipeline.errors import DataError

NEEDED = frozenset({"image", "label"})
KNOWN = NEEDED | {"mask", "subset", "split"}


class ImageCsv(Layout):
    """See the module.

    Attributes:
        csv: the file.
        normal: the label of normal images.
    """

    kind: Literal["image_csv"]
    csv: str
    normal: str

    def score(self, tree: Tree, base: str, subsets: Sequence[str]) -> float:  # noqa: ARG002
        """1 where the file lies."""
        return float(tree.has(join(base, self.csv)))

    def read(self, tree: Tree, base: str, subsets: Sequence[str]) -> Reading:
        """List the lines of the test split; without a column `subset` they all belong to the one subset."""
        path = join(base, self.csv)
        reading = Reading(consulted=[path], reasons=(("*", f"not in the test split of {self.csv}"),))
        try:
            rows = read_rows(tree, path)
        except DataError as error:
            reading.problems = dict.fromkeys(subsets, str(error))
            return reading
        for line, row in rows:
            subset = row.get("subset", subsets[0])
            if subset in subsets and row.get("split", "test") == "test":
                try:
                    reading.samples.append(self._sample(tree, base, subset, row))
                except DataError as error:
                    reading.problems.setdefault(subset, f"{path}, line {line}: {error}")
        return reading

    def _sample(self, tree: Tree, base: str, subset: str, row: dict[str, str]) -> Sample:
        normal = row["label"] == self.normal
        image = join(base, row["image"])
        mask = join(base, row["mask"]) if row.get("mask") and not normal else None
        for path in (image, mask):
            if path is not None and not tree.has(path):
                raise DataError(f"{path}: no such file; paths count from the folder of {self.csv}")
        label, defect = (NORMAL, GOOD) if normal else (ANOMALOUS, row["label"])
        return Sample(subset, image, mask, label, defect)


def read_rows(tree: Tree, path: str) -> list[tuple[int, dict[str, str]]]:
    """(line number, cells by column) of the file, without the spaces around them.

    Raises:
        DataError: it is missing or no CSV, lacks a column, or has a line with too few or too many cells.
    """
    lines = csv_lines(tree, path)
    header = lines[0][1] if lines else []
    if not set(header) >= NEEDED or len(set(header)) != len(header):
        raise DataError(f"{path}: its first line must name the columns image and label, each column once")
    rows = []
    for number, cells in lines[1:]:
        if len(cells) != len(header):
            raise DataError(f"{path}, line {number}: {len(cells)} cells, where the first has {len(header)}")
        rows.append((number, {key: cell for key, cell in zip(header, cells, strict=True) if key in KNOWN}))
    return rows
