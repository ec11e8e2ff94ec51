"""Two folders that are the labels, no masks: BrainMRI, Br35H and the COVID-19 radiographs.

Other folders of the archive (unlabelled images, other diseases, lung masks) are left aside.
"""

from collections.abc import Sequence
from typing import Literal

from pipeline.catalog.layouts.base import Layout, Reading, missing
from pipeline.catalog.samples import ANOMALOUS, GOOD, NORMAL, Sample
from pipeline.catalog.tree import Tree, join


class ClassFolders(Layout):
    """See the module.

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
