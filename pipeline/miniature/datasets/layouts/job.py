"""One data set to be written: its specification, its seed, and the folder that it goes to."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.miniature.datasets.specification import DatasetSpec
from pipeline.miniature.datasets.studio import Studio

Counts = dict[str, tuple[int, int]]
"""Subset to (normal, anomalous) test images."""

NOTE = (
    "Miniature stand-in, drawn by a program. It has the folder layout of the data set whose name it bears\n"
    "and none of its images. Made by `python -m pipeline.miniature.datasets`; CC0.\n"
)
"""What stands where the publisher puts a licence or a readme."""


@dataclass(frozen=True)
class Job:
    """What a writer needs to know."""

    name: str
    spec: DatasetSpec
    seed: int
    root: Path

    def studio(self, subset: str) -> Studio:
        """The studio that takes the pictures of one subset."""
        return Studio(self.seed, self.name, subset, self.spec.subsets[subset])

    def counts(self) -> Counts:
        """The counts of a data set whose subsets all have as many images as the specification says."""
        return dict.fromkeys(self.spec.subsets, (self.spec.normal, self.spec.anomalous))

    def only_studio(self) -> Studio:
        """The studio of a data set with a single subset."""
        (subset,) = self.spec.subsets
        return self.studio(subset)
