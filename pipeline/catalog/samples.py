"""What a reader hands on: the images of the test split, what it left aside, and what is broken.

Plain records without behaviour. All paths are POSIX paths relative to the root of the data set, so that
nothing that is derived from them depends on the machine.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeAlias

NORMAL, ANOMALOUS = 0, 1
GOOD = "good"  # the defect name of a normal image, whatever its folder is called

Counts: TypeAlias = tuple[int, int]  # (normal, anomalous) images
KnownCounts: TypeAlias = tuple[int | None, int | None]  # likewise, None where not known
Box: TypeAlias = tuple[int, int, int, int]  # left, top, right, bottom in pixels of the published image


@dataclass(frozen=True, order=True)
class Sample:
    """One image of the test split.

    Attributes:
        subset: name of the subset.
        image: path of the image.
        crop: the piece of image and mask that is meant, None for the whole.
        mask: path of the mask; None for a normal image without one, and in sets that have no masks.
        label: 0 normal, 1 anomalous.
        defect: kind of defect as published, "good" when normal.
    """

    subset: str
    image: str
    mask: str | None
    label: int
    defect: str
    crop: Box | None = None

    @property
    def name(self) -> str:
        """The image path, with `#left,top,right,bottom` behind it when only a piece is meant: unique."""
        return self.image if self.crop is None else f"{self.image}#{','.join(map(str, self.crop))}"


@dataclass(frozen=True, order=True)
class Ignored:
    """A file that is not used, and why.

    With several `files`, `path` is a whole folder (`folder/`) or unused files of a folder (`folder/*`).
    """

    path: str
    reason: str
    files: int = 1


@dataclass(frozen=True)
class Listing:
    """The test split of a data set as it lies on disk.

    Attributes:
        samples: images of the usable subsets, sorted by subset (in the order of the record) and name.
        ignored: everything else under the root, with the reason.
        problems: subset to one message, for each subset that cannot be used. It has no samples.
        base: the folder in which the layout was found ("" is the root itself).
        references: normal training images of the usable subsets, sorted likewise; few-shot methods see some.
    """

    samples: tuple[Sample, ...]
    ignored: tuple[Ignored, ...]
    problems: Mapping[str, str]
    base: str = ""
    references: tuple[Sample, ...] = ()

    def limited(self, limit: int) -> "Listing":
        """With at most `limit` images of each subset, half of them anomalous where there are enough.

        They are spread evenly over the names, so that several kinds of defects are among them.
        """
        chosen: list[Sample] = []
        for subset in self.counts():
            samples = self.of(subset)
            normal = [sample for sample in samples if sample.label == NORMAL]
            anomalous = [sample for sample in samples if sample.label == ANOMALOUS]
            bad = min(len(anomalous), max(limit // 2, limit - len(normal)))
            kept = {*_spread(normal, limit - bad), *_spread(anomalous, bad)}
            chosen += [sample for sample in samples if sample in kept]
        return replace(self, samples=tuple(chosen))

    def of(self, subset: str) -> tuple[Sample, ...]:
        """The samples of one subset."""
        return self._by_subset.get(subset, ())

    @cached_property
    def _by_subset(self) -> dict[str, tuple[Sample, ...]]:
        found: dict[str, list[Sample]] = {}
        for sample in self.samples:
            found.setdefault(sample.subset, []).append(sample)
        return {subset: tuple(samples) for subset, samples in found.items()}

    def counts(self) -> dict[str, Counts]:
        """Subset to (normal, anomalous), for the subsets that have samples."""
        found: dict[str, Counts] = {}
        for sample in self.samples:
            normal, anomalous = found.get(sample.subset, (0, 0))
            bad = sample.label == ANOMALOUS
            found[sample.subset] = (normal + (not bad), anomalous + bad)
        return found


def _spread(samples: Sequence[Sample], count: int) -> list[Sample]:
    """At most `count` of them, as far apart as can be."""
    count = min(count, len(samples))
    return [samples[place * len(samples) // count] for place in range(count)]
