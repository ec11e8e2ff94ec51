"""Lesions of one archive and normal images of another: the auxiliary set of Table 3.

    <lesions>/images/*   <lesions>/masks/*   <classes>/**/<normal class>/*

The anomalous images have masks, as in `image_mask_folders`; the normal ones come from a classification set
with a folder a class, of which only the classes that are normal beyond doubt are used.
"""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from pipeline.catalog.layouts.base import Layout, Reading
from pipeline.catalog.layouts.image_mask_folders import ImageMaskFolders
from pipeline.catalog.samples import GOOD, NORMAL, Sample
from pipeline.catalog.tree import Tree, join


class LesionsAndNormals(Layout):
    """See the module.

    Attributes:
        lesions: folder that holds `images` and `masks`.
        classes: folder below which every class has its own, at any depth.
        normal: classes whose images are normal; each has one folder.
        defect: what the anomalous images show.
    """

    kind: Literal["lesions_and_normals"]
    lesions: str
    classes: str
    normal: Annotated[tuple[str, ...], Field(min_length=1)]
    defect: str

    def score(self, tree: Tree, base: str, subsets: Sequence[str]) -> float:  # noqa: ARG002
        """Half for each of the two archives."""
        return sum(join(base, folder) in tree.folders for folder in (self.lesions, self.classes)) / 2

    def read(self, tree: Tree, base: str, subsets: Sequence[str]) -> Reading:
        """Pair the lesions with their masks and add the normal classes; `subsets` is one name."""
        (subset,) = subsets
        pairs = ImageMaskFolders(kind="image_mask_folders", defect=self.defect)
        reading = pairs.read(tree, join(base, self.lesions), subsets)
        reading.reasons = (
            (f"{self.lesions}/masks/*", "mask of no image"),
            (f"{self.classes}/*", "not of a class that is normal beyond doubt"),
        )
        source = join(base, self.classes)
        for name in self.normal:
            folders = [f for f in tree.folders if f.startswith(f"{source}/") and f.endswith(f"/{name}")]
            if len(folders) != 1 or not tree.images(folders[0]):
                reading.problems.setdefault(
                    subset, f"{source}: needs one folder {name} with images; sort its images by class"
                )
                continue
            for image in tree.images(folders[0]):
                reading.samples.append(Sample(subset, join(folders[0], image), None, NORMAL, GOOD))
        return reading
