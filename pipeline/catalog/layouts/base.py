"""What every layout reader shares: the contract, how a layout is found in a tree, and pairing by name.

A layout is a small validated record (its options stand in the data set's YAML record) with two
methods: `score` says how much of itself it sees in a folder, `read` lists the samples there. Masks are
paired by name only, never by position. Counting and the choice of the subsets are left to the caller.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from pydantic import BaseModel, ConfigDict, Field

from pipeline.catalog.images import read_image
from pipeline.catalog.masks import read_mask
from pipeline.catalog.samples import Sample
from pipeline.catalog.tree import MANY, Tree, folded, is_image, join, mask_files, stem, without_number

MAX_DEPTH = 3  # wrapping folders that archives and people put around a data set

RESTORE = "restore it from the published archive"  # of a user's own data, `listing` says something else
TRAINING = "training part; only the test split is evaluated"
UNLABELLED = "without labels, which the publisher keeps"
_TRAINING_FOLDER = re.compile(r"(train(ing|val)?|val(id(ation)?)?)([ ._-].*)?", re.IGNORECASE)
_UNLABELLED_FOLDER = re.compile(r"test_private.*|unlabell?ed", re.IGNORECASE)
MASK_OF_NORMAL = "mask of a normal image"


@dataclass
class Reading:
    """What one layout found: samples, problems by subset, and reasons for what it left aside.

    Attributes:
        samples: test images, in any order; those of a subset with a problem do not matter.
        references: normal images of the training part, likewise; none where the publisher has none.
        problems: subset to one message.
        consulted: files that were read for labels or splits.
        apart: path to the reason why exactly this file is not used.
        reasons: (glob over paths relative to the base, reason) pairs; the first match counts.
    """

    samples: list[Sample] = field(default_factory=list)
    references: list[Sample] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)
    consulted: list[str] = field(default_factory=list)
    apart: dict[str, str] = field(default_factory=dict)
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
        """List the test split under `base`, and the normal images of the training part."""
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


def apart(folder: str) -> str | None:
    """Why a folder holds no test images, by its name or that of one above it; None when it may."""
    for part in folder.split("/"):
        if _TRAINING_FOLDER.fullmatch(part):
            return TRAINING
        if _UNLABELLED_FOLDER.fullmatch(part):
            return UNLABELLED
    return None


def by_stem(names: Iterable[str]) -> dict[str, list[str]]:
    """Stem to the file names that have it."""
    found: dict[str, list[str]] = defaultdict(list)
    for name in names:
        found[stem(name)].append(name)
    return found


def find_mask(image: str, masks: Mapping[str, Sequence[str]], patterns: Sequence[str]) -> str | None:
    """The one mask whose name is the stem of `image` put into the first pattern that matches anything.

    None when there is no mask or more than one. The suffix matters only where the pattern has one.
    """
    for pattern in patterns:
        wanted = pattern.replace("{stem}", stem(image))
        known = masks.get(stem(wanted), ()) if is_image(pattern) else masks.get(wanted, ())
        suffix = PurePosixPath(wanted).suffix.lower() if is_image(pattern) else ""
        if candidates := [name for name in known if name.lower().endswith(suffix)]:
            return candidates[0] if len(candidates) == 1 else None
    return None


def paired(tree: Tree, images: str, truth: str, patterns: Sequence[str]) -> Iterator[tuple[str, str | None]]:
    """Path of every image of a folder, and of its mask in the folder `truth`, None without one.

    Masks may lie among the images. A folder that is called like a mask is one: all its files together; and so
    are files that differ in a number for which the pattern has a `*`. Case matters only where a name would
    fit two.
    """
    names = tree.images(truth)
    masks, alike = by_stem(names), by_stem(map(folded, names))
    spelled = {folded(name): name for name in names}
    small = [folded(pattern) for pattern in patterns]
    several = _several(names, small)
    for name in tree.images(images):
        if images == truth and _is_mask(name, masks, small):
            continue
        found = (
            several.get(folded(stem(name)))
            or find_mask(name, masks, patterns)
            or spelled.get(find_mask(folded(name), alike, small) or "")
        )
        if found is not None and not (images == truth and found == name):
            yield join(images, name), join(truth, found)
            continue
        folders = (tree.folder(join(truth, pattern.replace("{stem}", stem(name)))) for pattern in patterns)
        yield join(images, name), next((folder for folder in folders if folder and tree.images(folder)), None)


def _several(names: Iterable[str], patterns: Sequence[str]) -> dict[str, str]:
    """Stem of an image to its masks by patterns with a number: the one that is there, or all together.

    Stems and patterns are in lower case.
    """
    found: dict[str, list[str]] = defaultdict(list)
    many = [pattern.removesuffix(MANY) for pattern in patterns if pattern.endswith(MANY)]
    affixes = [pattern.partition("{stem}") for pattern in many]
    for name in names if affixes else ():
        called = folded(without_number(stem(name)))
        for head, _, tail in affixes:
            if called.startswith(head) and called.endswith(tail):
                found[called[len(head) : len(called) - len(tail)]].append(name)
    return {
        image: masks[0] if len(masks) == 1 else f"{without_number(stem(masks[0]))}{MANY}"
        for image, masks in found.items()
    }


def _is_mask(name: str, names: Mapping[str, Sequence[str]], patterns: Sequence[str]) -> bool:
    """Whether a file among images (stem to names) is called like a mask, patterns being in lower case.

    Where the suffix alone tells them apart, it is one when there is an image of another suffix.
    """
    for pattern in patterns:
        if is_image(pattern):
            same = PurePosixPath(pattern).suffix == PurePosixPath(name).suffix.lower()
            if same and len(names.get(stem(name), ())) > 1:
                return True
        else:
            whole = folded(stem(name))
            called = without_number(whole) if pattern.endswith(MANY) else whole
            head, _, tail = pattern.removesuffix(MANY).partition("{stem}")
            longer = len(called) > len(head) + len(tail) > 0
            if longer and called.startswith(head) and called.endswith(tail):
                return True
    return False


def is_empty_mask(tree: Tree, mask: str) -> bool:
    """Whether a mask, or every file of one that is a folder, marks nothing.

    Raises:
        DataError: it cannot be decoded.
    """
    files = mask_files(tree.root, mask)
    return all(read_mask(read_image(tree.root / path, path), path).getbbox() is None for path in files)


def missing(folder: str) -> str:
    """The message for a folder that is not there."""
    return f"{folder}: no such folder; {RESTORE}"
