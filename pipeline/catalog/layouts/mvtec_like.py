"""Folders as MVTec AD publishes them; MPDD, BTAD and DTD-Synthetic follow, and converted SDD and HeadCT.

    <subset>/test/<normal>/NNN.*   <subset>/test/<defect>/NNN.*   <subset>/ground_truth/<defect>/<mask name>.*
    <subset>/train/<normal>/NNN.*

Every test folder other than the normal one is a kind of defect. Suffixes of image and mask may differ
(BTAD). Training images are references alone. Keys name other folders: those of MVTec AD 2 and BMAD, class
folders without one above them, masks beside their images, one folder for all masks.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Literal

from pipeline.catalog.layouts.base import (
    MASK_OF_NORMAL,
    TRAINING,
    Layout,
    Reading,
    apart,
    missing,
    paired,
)
from pipeline.catalog.samples import ANOMALOUS, GOOD, NORMAL, Sample
from pipeline.catalog.tree import Tree, folded, join

_REASONS = (
    ("*train/*", TRAINING),
    ("*ground_truth/*", "mask of no test image"),
)


class MvtecLike(Layout):
    """See the module.

    Attributes:
        normal: the test folder of normal images, upper or lower case.
        masks: names of a mask, with `{stem}` for the stem of its image, most likely first; with a suffix
            where that matters; empty when the set has no masks.
        flat: whether there is no folder of the subset: `test` lies at the top.
        test: folder of the images of one kind, `{defect}` standing for its name.
        truth: folder of their masks; without `{defect}` one for all.
    """

    kind: Literal["mvtec_like"]
    normal: str = GOOD
    masks: tuple[str, ...] = ("{stem}_mask",)
    flat: bool = False
    test: str = "test/{defect}"
    truth: str = "ground_truth/{defect}"

    def score(self, tree: Tree, base: str, subsets: Sequence[str]) -> float:
        """Share of the subsets that have a test folder."""
        here = map(folded, tree.folders[base])
        if not self.flat and _spellings(tuple(subsets)).isdisjoint(here):
            return 0.0
        return sum(self._home(tree, base, subset) is not None for subset in subsets) / len(subsets)

    def read(self, tree: Tree, base: str, subsets: Sequence[str]) -> Reading:
        """List the test folders of every subset."""
        reading = Reading(reasons=_REASONS)
        for subset in subsets:
            home = self._home(tree, base, subset)
            if home is None:
                reading.problems[subset] = missing(join(base, join(subset, self._above)))
                continue
            kinds = self._kinds(tree, home)
            if folded(self.normal) not in map(folded, kinds):
                reading.problems[subset] = missing(join(home, self.test.replace("{defect}", self.normal)))
                continue
            for kind, folder in kinds.items():
                self._add(reading, subset, kind, self._pairs(tree, home, kind, folder))
            if (trained := tree.folder(join(home, f"train/{self.normal}"))) is not None:
                paths = (join(trained, name) for name in tree.images(trained))
                reading.references += [Sample(subset, path, None, NORMAL, GOOD) for path in paths]
        return reading

    def _add(self, reading: Reading, subset: str, kind: str, pairs: Iterable[tuple[str, str | None]]) -> None:
        normal = folded(kind) == folded(self.normal)
        for image, mask in pairs:
            if not normal:
                reading.samples.append(Sample(subset, image, mask, ANOMALOUS, kind))
                continue
            reading.samples.append(Sample(subset, image, None, NORMAL, GOOD))
            if mask is not None:
                reading.apart[mask] = MASK_OF_NORMAL

    @property
    def _above(self) -> str:
        """The folder above those of the kinds, "" for the subset's own."""
        return self.test.partition("{defect}")[0].rstrip("/")

    def _kinds(self, tree: Tree, home: str) -> dict[str, str]:
        """Kind to the folder of its images, without what is a folder of masks."""
        above = tree.folder(join(home, self._above))
        found = {
            kind: folder
            for kind in (tree.folders[above] if above is not None else ())
            if (folder := tree.folder(join(home, self.test.replace("{defect}", kind)))) is not None
            and not (self._above == "" and apart(kind))
        }
        truths = {kind: join(home, self.truth.replace("{defect}", kind)) for kind in found}

        def holds_masks(kind: str) -> bool:
            place = folded(f"{join(home, join(self._above, kind))}/")
            others = (folded(f"{truth}/") for other, truth in truths.items() if other != kind)
            return any(truth.startswith(place) for truth in others)

        return {kind: folder for kind, folder in found.items() if not holds_masks(kind)}

    def _pairs(self, tree: Tree, home: str, kind: str, folder: str) -> Iterator[tuple[str, str | None]]:
        """Images and masks of one kind."""
        truth = tree.folder(join(home, self.truth.replace("{defect}", kind)))
        return paired(tree, folder, truth or "", self.masks if truth else ())

    def _home(self, tree: Tree, base: str, subset: str) -> str | None:
        """The subset's folder; a space in its name may be written as an underscore (SDD)."""
        landmark = self._above or self.test.replace("{defect}", self.normal)
        for spelling in ("",) if self.flat else (subset, subset.replace(" ", "_")):
            home = join(base, spelling)
            if tree.folder(join(home, landmark)) is not None:
                return home
        return None


@lru_cache(maxsize=8)
def _spellings(subsets: tuple[str, ...]) -> frozenset[str]:
    """How their folders may be called: looked up in every folder of a set that may have thousands."""
    return frozenset(folded(name) for subset in subsets for name in (subset, subset.replace(" ", "_")))
