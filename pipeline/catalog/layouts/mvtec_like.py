"""Folders as MVTec AD publishes them; MPDD, BTAD and DTD-Synthetic follow, and converted SDD and HeadCT.

    <subset>/test/<normal>/NNN.*   <subset>/test/<defect>/NNN.*   <subset>/ground_truth/<defect>/<mask name>.*

Every test folder other than the normal one is a kind of defect. Suffixes of image and mask may differ
(BTAD). Training images are left aside.
"""

from collections.abc import Iterator, Sequence
from typing import Literal

from pipeline.catalog.layouts.base import Layout, Reading, by_stem, find_mask, missing
from pipeline.catalog.samples import ANOMALOUS, GOOD, NORMAL, Sample
from pipeline.catalog.tree import Tree, join

_REASONS = (
    ("*train/*", "training part; only the test split is evaluated"),
    ("*ground_truth/*", "mask of no test image"),
)


class MvtecLike(Layout):
    """See the module.

    Attributes:
        normal: the test folder of normal images.
        masks: stems of a mask, with `{stem}` for that of its image, most likely first; empty when the
            set has no masks.
        flat: whether there is no folder of the subset: `test` lies at the top.
    """

    kind: Literal["mvtec_like"]
    normal: str = GOOD
    masks: tuple[str, ...] = ("{stem}_mask",)
    flat: bool = False

    def score(self, tree: Tree, base: str, subsets: Sequence[str]) -> float:
        """Share of the subsets that have a test folder."""
        return sum(self._home(tree, base, subset) is not None for subset in subsets) / len(subsets)

    def read(self, tree: Tree, base: str, subsets: Sequence[str]) -> Reading:
        """List the test folders of every subset."""
        reading = Reading(reasons=_REASONS)
        for subset in subsets:
            home = self._home(tree, base, subset)
            if home is None:
                reading.problems[subset] = missing(join(base, f"{subset}/test"))
            elif self.normal not in tree.folders[join(home, "test")]:
                reading.problems[subset] = missing(join(home, f"test/{self.normal}"))
            else:
                for folder in tree.folders[join(home, "test")]:
                    reading.samples += self._folder(tree, home, subset, folder)
        return reading

    def _folder(self, tree: Tree, home: str, subset: str, folder: str) -> Iterator[Sample]:
        """The images of one test folder."""
        truth = join(home, f"ground_truth/{folder}")
        masks = by_stem(tree.images(truth))
        for name in tree.images(join(home, f"test/{folder}")):
            image = join(home, f"test/{folder}/{name}")
            if folder == self.normal:
                yield Sample(subset, image, None, NORMAL, GOOD)
            else:
                mask = find_mask(name, masks, self.masks)
                yield Sample(subset, image, mask and join(truth, mask), ANOMALOUS, folder)

    def _home(self, tree: Tree, base: str, subset: str) -> str | None:
        """The subset's folder; a space in its name may be written as an underscore (SDD)."""
        for spelling in ("",) if self.flat else (subset, subset.replace(" ", "_")):
            home = join(base, spelling)
            if "test" in tree.folders.get(home, ()):
                return home
        return None
