"""One folder of images and one of masks: ISIC, the polyp sets, Endo and TN3K.

Every image shows a lesion, so all are anomalous; a mask has the stem of its image, or that with
something behind it (`_Segmentation` in ISIC). Suffixes may differ. In other sets an image is normal when its
mask is empty (KolektorSDD2), or masks lie among the images.
"""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Literal

from pipeline.catalog.layouts.base import RESTORE, Layout, Reading, is_empty_mask, missing, paired
from pipeline.catalog.samples import ANOMALOUS, GOOD, NORMAL, Sample
from pipeline.catalog.tree import Tree, join
from pipeline.errors import DataError


class ImageMaskFolders(Layout):
    """See the module. With several subsets each has a folder of its own, which holds these.

    Attributes:
        images: folder of the images, `*` standing for any name.
        masks: folder of the masks; null where they lie among the images.
        mask: name of a mask, with `{stem}` for the stem of its image; with a suffix where that matters.
        defect: what all images show.
        empty_is_normal: whether an image with an empty mask is normal.
    """

    kind: Literal["image_mask_folders"]
    images: str = "images"
    masks: str | None = "masks"
    mask: str = "{stem}"
    defect: str
    empty_is_normal: bool = False

    def score(self, tree: Tree, base: str, subsets: Sequence[str]) -> float:
        """Half for each of the two folders, over the subsets."""
        homes = self._homes(base, subsets).values()
        found = [(bool(self._sources(tree, home)) + self._has_masks(tree, home)) / 2 for home in homes]
        return sum(found) / len(found)

    def read(self, tree: Tree, base: str, subsets: Sequence[str]) -> Reading:
        """Pair every image with the mask of its name."""
        reading = Reading(reasons=((f"{self.masks}/*", "mask of no test image"),) if self.masks else ())
        for subset, home in self._homes(base, subsets).items():
            sources = self._sources(tree, home)
            truth = None if self.masks is None else tree.folder(join(home, self.masks))
            if not sources or not self._has_masks(tree, home):
                reading.problems[subset] = missing(join(home, (sources and self.masks) or self.images))
            for folder in sources:
                among = folder if self.masks is None else truth or ""
                for image, mask in paired(
                    tree, folder, among, (self.mask,) if among == folder or truth else ()
                ):
                    try:
                        reading.samples.append(self._sample(tree, subset, image, mask))
                    except DataError as error:
                        reading.problems.setdefault(subset, f"{error}; {RESTORE}")
        return reading

    def _sample(self, tree: Tree, subset: str, image: str, mask: str | None) -> Sample:
        if self.empty_is_normal and mask is not None and is_empty_mask(tree, mask):
            return Sample(subset, image, mask, NORMAL, GOOD)
        return Sample(subset, image, mask, ANOMALOUS, self.defect)

    @staticmethod
    def _homes(base: str, subsets: Sequence[str]) -> dict[str, str]:
        return {subset: join(base, subset) if len(subsets) > 1 else base for subset in subsets}

    def _has_masks(self, tree: Tree, home: str) -> bool:
        return self.masks is None or tree.folder(join(home, self.masks)) is not None

    def _sources(self, tree: Tree, base: str) -> list[str]:
        pattern = join(base, self.images)
        depth = pattern.count("/")
        fits = (f for f in tree.folders if f.count("/") == depth and bool(f) == bool(pattern))
        return [folder for folder in fits if fnmatchcase(folder, pattern)]
