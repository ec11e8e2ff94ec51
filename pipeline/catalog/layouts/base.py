"""What every layout reader shares: the contract, how a layout is found in a tree, and pairing by name.

A layout is a small validated record (its options stand in the data set's YAML record) with two
methods: `score` says how much of itself it sees in a folder, `read` lists the samples there. Masks are
paired by name only, never by position. Counting and the choice of the subsets are left to the caller.
"""

import csv
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict, Field

from pipeline.catalog.samples import Sample
from pipeline.catalog.tree import Tree, stem
from pipeline.errors import DataError

MAX_DEPTH = 3  # wrapping folders that archives and people put around a data set

RESTORE = "restore it from the published archive"


@dataclass
class Reading:
    """What one layout found: samples, problems by subset, and reasons for what it left aside.

    Attributes:
        samples: test images, in any order; those of a subset with a problem do not matter.
        problems: subset to one message.
        consulted: files that were read for labels or splits.
        reasons: (glob over paths relative to the base, reason) pairs; the first match counts.
    """

    samples: list[Sample] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)
    consulted: list[str] = field(default_factory=list)
    reasons: Sequence[tuple[str, str]] = ()


class Layout(BaseModel):
    """Options of one published layout, and how it is read.

    Attributes:
        prefer: name of the folder to take when several folders hold the same layout.
        other: glob over paths relative to the base, to the reason why such files are not evaluated.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    prefer: str | None = None
    other: Mapping[str, str] = Field(default_factory=dict)

    def score(self, tree: Tree, base: str, subsets: Sequence[str]) -> float:
        """Share of this layout's landmarks that lie under `base`, in [0, 1]."""
        raise NotImplementedError

    def read(self, tree: Tree, base: str, subsets: Sequence[str]) -> Reading:
        """List the test split under `base`."""
        raise NotImplementedError


def locate(
    layouts: Sequence[Layout], tree: Tree, subsets: Sequence[str]
) -> tuple[Layout, tuple[str, ...]] | None:
    """The layout that fits best and the folders that hold it equally well; None when nothing fits.

    Most landmarks win, then a preferred folder name, then the order of `layouts`, then the shallowest
    folder: a second copy of the data further down is thereby left aside.
    """
    found: dict[tuple[float, bool, int, int], list[str]] = defaultdict(list)
    bases = [folder for folder in tree.folders if not folder or folder.count("/") < MAX_DEPTH]
    for order, layout in enumerate(layouts):
        for base in bases:
            if share := layout.score(tree, base, subsets):
                depth = base.count("/") + 1 if base else 0
                preferred = base.rpartition("/")[2] == layout.prefer
                found[-share, not preferred, order, depth].append(base)
    if not found:
        return None
    best = min(found)
    return layouts[best[2]], tuple(found[best])


def by_stem(names: Iterable[str]) -> dict[str, list[str]]:
    """Stem to the file names that have it."""
    found: dict[str, list[str]] = defaultdict(list)
    for name in names:
        found[stem(name)].append(name)
    return found


def find_mask(image: str, masks: Mapping[str, Sequence[str]], patterns: Sequence[str]) -> str | None:
    """The one mask whose stem is that of `image` put into the first pattern that matches anything.

    None when there is no mask or more than one. The suffix does not matter.
    """
    for pattern in patterns:
        if candidates := masks.get(pattern.replace("{stem}", stem(image))):
            return candidates[0] if len(candidates) == 1 else None
    return None


def csv_lines(tree: Tree, path: str) -> list[tuple[int, list[str]]]:
    """(line number, cells without the spaces around them) of a CSV file; empty lines are left out.

    Raises:
        DataError: the tree has no such file, or it is no CSV.
    """
    with tree.open_path(path).open(newline="", encoding="utf-8-sig", errors="replace") as handle:
        reader = csv.reader(handle)
        try:
            return [(reader.line_num, [cell.strip() for cell in row]) for row in reader if row]
        except csv.Error as error:
            raise DataError(
                f"{path}, line {reader.line_num}: no CSV ({error}); look for a quote that is never closed"
            ) from None


def missing(folder: str) -> str:
    """The message for a folder that is not there."""
    return f"{folder}: no such folder; {RESTORE}"
