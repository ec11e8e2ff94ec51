"""Images anywhere below the folder, and a list with an entry an image: CSV, JSON or JSON lines.

Columns `image` and `label` and, where there is any, `mask`, `defect`, `subset`, `split`, or what `columns`
calls them. One label means normal, any other is the name of a defect; with a `split` only `test` is listed.
AnomalyCLIP's meta.json nests its entries below split and subset, as `entries` reads them; Real-IAD has one
list a subset, `{subset}` in the name of the file.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from posixpath import normpath
from typing import Final, Literal, TypeAlias

from pydantic import Field

from pipeline.catalog.layouts.base import MASK_OF_NORMAL, TRAINING, Layout, Reading
from pipeline.catalog.layouts.entries import read_entries
from pipeline.catalog.samples import ANOMALOUS, GOOD, NORMAL, Sample
from pipeline.catalog.tree import Tree, is_image, join
from pipeline.errors import DataError

Find: TypeAlias = Callable[[str], str | None]  # a cell to the file that it means

COLUMNS: Final = ("image", "label", "mask", "defect", "subset", "split")
TESTED: Final = frozenset({"test", "testing"})


class ImageList(Layout):
    """See the module.

    Attributes:
        file: the list; `{subset}` stands for the name of a subset.
        normal: the label of normal images, upper or lower case.
        columns: what the file calls image, label, mask, defect, subset and split, where it has other names;
            "" for what it has not.
        cut: what stands in front of every path of the file and is no folder here.
        home: the folder from which paths count; `{subset}` likewise.
    """

    kind: Literal["image_list"]
    file: str
    normal: str
    columns: Mapping[str, str] = Field(default_factory=dict)
    cut: str = ""
    home: str = ""

    def score(self, tree: Tree, base: str, subsets: Sequence[str]) -> float:
        """Share of the files that are there."""
        files = [self._file(base, subset) for subset in subsets]
        return sum(map(tree.has, files)) / len(files)

    def read(self, tree: Tree, base: str, subsets: Sequence[str]) -> Reading:
        """List the entries of the test split; without a column `subset` they all belong to the one subset."""
        reading = Reading(reasons=(("*", f"not in {self.file}"),))
        finds: dict[str, Find] = {}
        for path in dict.fromkeys(self._file(base, subset) for subset in subsets):
            own = [subset for subset in subsets if self._file(base, subset) == path]
            reading.consulted.append(path)
            try:
                entries = read_entries(tree, path)
            except DataError as error:
                reading.problems |= dict.fromkeys(own, str(error))
                continue
            for where, cells in entries:
                row = self.named(cells)
                subset = own[0] if "{subset}" in self.file else row.get("subset") or subsets[0]
                if subset in own:
                    home = join(base, self.home.replace("{subset}", subset))
                    find = finds.get(home) or finds.setdefault(home, finder(tree, home, self.cut))
                    try:
                        self._add(reading, subset, row, find)
                    except DataError as error:
                        reading.problems.setdefault(subset, f"{path}, {where}: {error}")
        return reading

    def named(self, cells: Mapping[str, str]) -> dict[str, str]:
        """The cells of an entry by the names of this project."""
        names = {name: self.columns.get(name, name) for name in COLUMNS}
        return {name: cells[column] for name, column in names.items() if column and column in cells}

    def _file(self, base: str, subset: str) -> str:
        return join(base, self.file.replace("{subset}", subset))

    def _add(self, reading: Reading, subset: str, row: Mapping[str, str], find: Find) -> None:
        """Add an entry.

        Raises:
            DataError: it has no label, or names a file that is not there.
        """
        image, mask = find(row.get("image", "")), find(row["mask"]) if row.get("mask") else None
        if (row.get("split") or "test").casefold() not in TESTED:
            reading.apart |= {path: TRAINING for path in (image, mask) if path is not None}
            return
        if image is None:
            raise DataError(f"{row.get('image')}: no such file; paths count from the folder of {self.file}")
        label = row.get("label", "")
        if not label:
            raise DataError(f"{row['image']}: no label")
        if label.casefold() == self.normal.casefold():
            reading.samples.append(Sample(subset, image, None, NORMAL, GOOD))
            reading.apart |= {path: MASK_OF_NORMAL for path in (mask,) if path is not None}
            return
        if row.get("mask") and mask is None:
            raise DataError(f"{row['mask']}: no such file; paths count from the folder of {self.file}")
        reading.samples.append(Sample(subset, image, mask, ANOMALOUS, row.get("defect") or label))


def finder(tree: Tree, home: str, cut: str = "") -> Find:
    """How a cell is found below a folder: by its path, upper or lower case; without a suffix by the stem.

    A number without a suffix means the image of that number, whatever zeros stand before it.
    """
    known: dict[str, list[str]] = defaultdict(list)
    for path in tree.paths():
        if is_image(path) and (not home or path.startswith(f"{home}/")):
            bare = path.rpartition(".")[0]
            for name in {path.casefold(), bare.casefold(), _as_number(bare)}:
                known[name].append(path)

    def find(cell: str) -> str | None:
        inner = cell.replace("\\", "/").removeprefix(cut)
        path = normpath(join(home, inner))
        if tree.has(path):
            return path
        found = known.get(path.casefold()) or ([] if is_image(path) else known.get(_as_number(path), []))
        return found[0] if len(found) == 1 else None

    return find


def _as_number(path: str) -> str:
    """A path whose name is a number, with the zeros before it taken away and marked as such."""
    folder, _, name = path.rpartition("/")
    return f"{folder}/#{name.lstrip('0') or 0}" if name.isdecimal() else path.casefold()
