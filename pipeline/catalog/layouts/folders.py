"""Layouts whose folders are the labels: by class, images beside masks, or both in one set.

The first has BrainMRI, Br35H and the COVID-19 radiographs; the second ISIC, the polyp sets, Endo and TN3K;
the last is the auxiliary set of Table 3.
"""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Annotated, Literal

from pydantic import Field

from pipeline.catalog.layouts.base import RESTORE, Layout, Reading, is_empty_mask, missing, paired
from pipeline.catalog.samples import ANOMALOUS, GOOD, NORMAL, Sample
from pipeline.catalog.tree import Tree, join
from pipeline.errors import DataError


class ClassFolders(Layout):
    """Two folders that are the labels, no masks.

    Other folders of the archive (unlabelled images, other diseases, lung masks) are left aside.

    Attributes:
        normal: folder of the normal images.
        anomalous: folder of the anomalous images.
        defect: what the anomalous images show.
    """

    kind: Literal["class_folders"]
    normal: str
    anomalous: str
    defect: str

    def score(self, tree: Tree, base: str, subsets: Sequence[str]) -> float:  # noqa: ARG002
        """Half for each of the two folders."""
        return sum(join(base, folder) in tree.folders for folder in (self.normal, self.anomalous)) / 2

    def read(self, tree: Tree, base: str, subsets: Sequence[str]) -> Reading:
        """Label every image by its folder; `subsets` is one name."""
        (subset,) = subsets
        reading = Reading()
        for folder, label, defect in (
            (self.normal, NORMAL, GOOD),
            (self.anomalous, ANOMALOUS, self.defect),
        ):
            source = join(base, folder)
            if source not in tree.folders:
                reading.problems[subset] = missing(source)
            for name in tree.images(source):
                reading.samples.append(Sample(subset, join(source, name), None, label, defect))
        return reading


class ImageMaskFolders(Layout):
    """One folder of images and one of masks; with several subsets each has a folder that holds these.

    Every image shows a lesion, so all are anomalous; a mask has the stem of its image, or that with
    something behind it (`_Segmentation` in ISIC). Suffixes may differ. In other sets an image is normal when
    its mask is empty (KolektorSDD2), or masks lie among the images.

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


class LesionsAndNormals(Layout):
    """Lesions of one archive and normal images of another.

        <lesions>/images/*   <lesions>/masks/*   <classes>/**/<normal class>/*

    The anomalous images have masks, as in `ImageMaskFolders`; the normal ones come from a classification set
    with a folder a class, of which only the classes that are normal beyond doubt are used.

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
