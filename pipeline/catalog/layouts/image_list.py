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
from pipeline.catalog.tree import Tree, folded, is_image, join
from pipeline.errors import DataError

Find: TypeAlias = Callable[[str], str | None]  # a cell to the file that it means

COLUMNS: Final = ("image", "label", "mask", "defect", "subset", "split")
TESTED: Final = frozenset({"test", "testing"})
_TRAINED: Final = frozenset({"train", "training"})
_NO_LABEL: Final = frozenset({"", "nan", "null", "n/a", "?"})  # as programs write what is not there


class ImageList(Layout):
    """See the module.

    Attributes:
        file: the list; `{subset}` stands for the name of a subset.
        normal: the label of normal images, upper or lower case.
        anomalous_above: where labels are degrees from 0 to 1, those above are anomalous, and `normal` is not
            looked at (ELPV has 0.33 and 0.67 where its experts were not sure); null: labels are words.
        columns: what the file calls image, label, mask, defect, subset and split, where it has other names;
            "" for what it has not.
        cut: what stands in front of every path of the file and is no folder here.
        home: the folder from which paths count; `{subset}` likewise.
        mask_cut: as `cut`, of masks; null where it is the same.
        mask_home: as `home`, of masks.
    """

    kind: Literal["image_list"]
    file: str
    normal: str
    anomalous_above: float | None = Field(default=None, ge=0, lt=1)
    columns: Mapping[str, str] = Field(default_factory=dict)
    cut: str = ""
    home: str = ""
    mask_cut: str | None = None
    mask_home: str | None = None

    def score(self, tree: Tree, base: str, subsets: Sequence[str]) -> float:
        """Share of the files that are there."""
        files = [self._file(base, subset) for subset in subsets]
        return sum(map(tree.has, files)) / len(files)

    def read(self, tree: Tree, base: str, subsets: Sequence[str]) -> Reading:
        """List the entries of the test split; without a column `subset` they all belong to the one subset."""
        reading = Reading(reasons=(("*", f"not in {self.file}"),))
        finds: dict[tuple[str, str], Find] = {}
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
                    places = self._places(base, subset)
                    for place in places:
                        if place not in finds:
                            finds[place] = finder(tree, *place)
                    try:
                        self._add(reading, subset, row, *map(finds.__getitem__, places))
                    except DataError as error:
                        reading.problems.setdefault(subset, f"{path}, {where}: {error}")
        return reading

    def named(self, cells: Mapping[str, str]) -> dict[str, str]:
        """The cells of an entry by the names of this project."""
        names = {name: self.columns.get(name, name) for name in COLUMNS}
        return {name: cells[column] for name, column in names.items() if column and column in cells}

    def _file(self, base: str, subset: str) -> str:
        return join(base, self.file.replace("{subset}", subset))

    def _places(self, base: str, subset: str) -> list[tuple[str, str]]:
        """Folder and cut of images, then of masks."""
        homes = (self.home, self.home if self.mask_home is None else self.mask_home)
        cuts = (self.cut, self.cut if self.mask_cut is None else self.mask_cut)
        within = [join(base, home.replace("{subset}", subset)) for home in homes]
        return list(zip(within, cuts, strict=True))

    def _add(
        self, reading: Reading, subset: str, row: Mapping[str, str], find: Find, find_mask: Find
    ) -> None:
        """Add an entry.

        Raises:
            DataError: it has no label, or names a file that is not there.
        """
        image, mask = find(row.get("image", "")), find_mask(row["mask"]) if row.get("mask") else None
        if (split := (row.get("split") or "test").casefold()) not in TESTED:
            reading.apart |= {path: TRAINING for path in (image, mask) if path is not None}
            if split in _TRAINED and image is not None and self._says_normal(row.get("label", "")):
                reading.references.append(Sample(subset, image, None, NORMAL, GOOD))
            return
        if image is None:
            raise DataError(f"{row.get('image')}: no such file; paths count from the folder of {self.file}")
        label = row.get("label", "")
        if label.casefold() in _NO_LABEL:
            raise DataError(f"{row['image']}: no label")
        if self._is_normal(label):
            reading.samples.append(Sample(subset, image, None, NORMAL, GOOD))
            reading.apart |= {path: MASK_OF_NORMAL for path in (mask,) if path is not None}
            return
        if row.get("mask") and mask is None:
            raise DataError(f"{row['mask']}: no such file; paths count from the folder of {self.file}")
        if mask == image:
            raise DataError(f"{row['mask']}: named as the mask of itself")
        reading.samples.append(Sample(subset, image, mask, ANOMALOUS, row.get("defect") or label))

    def _says_normal(self, label: str) -> bool:
        return as_word(label) == as_word(self.normal)

    def _is_normal(self, label: str) -> bool:
        if self.anomalous_above is None:
            return self._says_normal(label)
        if (degree := as_degree(label)) is None:
            raise DataError(f"label {label!r} is no degree from 0 to 1, as `anomalous_above` wants")
        return degree <= self.anomalous_above


def as_degree(label: str) -> float | None:
    """A label that is a number from 0 to 1; None for any other."""
    try:
        value = float(label)
    except ValueError:
        return None
    return value if 0 <= value <= 1 else None


def as_word(label: str) -> str:
    """A label without what makes no difference: case, and zeros of a number.

    Examples:
        >>> as_word("Good"), as_word("0"), as_word("0.0")
        ('good', '0', '0')
    """
    try:
        return f"{float(label):g}"
    except ValueError:
        return label.casefold()


def finder(tree: Tree, home: str, cut: str = "") -> Find:
    """How a cell is found below a folder: by its path, upper or lower case; without a suffix by the stem.

    A number without a suffix means the image of that number, whatever zeros stand before it.
    """
    known: dict[str, list[str]] = defaultdict(list)
    for path in tree.paths():
        if is_image(path) and (not home or path.startswith(f"{home}/")):
            bare = path.rpartition(".")[0]
            for name in {folded(path), folded(bare), _as_number(bare)}:
                known[name].append(path)

    def find(cell: str) -> str | None:
        inner = cell.replace("\\", "/").removeprefix(cut)
        path = normpath(join(home, inner))
        if tree.has(path):
            return path
        found = known.get(folded(path)) or ([] if is_image(path) else known.get(_as_number(path), []))
        return found[0] if len(found) == 1 else None

    return find


def _as_number(path: str) -> str:
    """A path whose name is a number, with the zeros before it taken away and marked as such."""
    folder, _, name = path.rpartition("/")
    return f"{folder}/#{name.lstrip('0') or 0}" if name.isdecimal() else folded(path)
