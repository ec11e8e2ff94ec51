"""One folder of images and one of masks: ISIC, the polyp sets, Endo and TN3K.

Every image shows a lesion, so all are anomalous; a mask has the stem of its image, or that with
something behind it (`_Segmentation` in ISIC). Suffixes may differ.
"""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Literal

from pipeline.catalog.layouts.base import Layout, Reading, by_stem, find_mask, missing
from pipeline.catalog.samples import ANOMALOUS, Sample
from pipeline.catalog.tree import Tree, join


class ImageMaskFolders(Layout):
    """See the module.

    Attributes:
        images: folder of the images, `*` standing for any name.
        masks: folder of the masks.
        mask: stem of a mask, with `{stem}` for that of its image.
        defect: what all images show.
    """

    kind: Literal["image_mask_folders"]
    images: str = "images"
    masks: str = "masks"
    mask: str = "{stem}"
    defect: str

    def score(self, tree: Tree, base: str, subsets: Sequence[str]) -> float:  # noqa: ARG002
        """Half for each of the two folders."""
        return (bool(self._sources(tree, base)) + (join(base, self.masks) in tree.folders)) / 2

    def read(self, tree: Tree, base: str, subsets: Sequence[str]) -> Reading:
        """Pair every image with the mask of its name; `subsets` is one name."""
        (subset,) = subsets
        truth = join(base, self.masks)
        reading = Reading(reasons=((f"{self.masks}/*", "mask of no test image"),))
        sources = self._sources(tree, base)
        if not sources or truth not in tree.folders:
            reading.problems[subset] = missing(truth if sources else join(base, self.images))
        masks = by_stem(tree.images(truth))
        for folder in sources:
            for name in tree.images(folder):
                mask = find_mask(name, masks, (self.mask,))
                path = mask and join(truth, mask)
                reading.samples.append(Sample(subset, join(folder, name), path, ANOMALOUS, self.defect))
        return reading

    def _sources(self, tree: Tree, base: str) -> list[str]:
        pattern = join(base, self.images)
        depth = pattern.count("/")
        return [f for f in tree.folders if f.count("/") == depth and fnmatchcase(f, pattern)]
