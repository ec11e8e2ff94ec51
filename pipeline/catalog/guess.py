"""What kind of data set is this folder? A record for it, by looking at names and, where need be, at pixels.

Layouts that may fit come from a list of the images, from folders that are the labels, and from masks. The
ordinary listing decides: a layout fits when every image finds its label and its mask, and when every picture
in the folder is accounted for.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from pipeline.catalog.guess_folders import Rule, by_label_folders, by_masks, unnamed_folders
from pipeline.catalog.guess_lists import by_lists
from pipeline.catalog.layouts.base import MASK_OF_NORMAL, is_empty_mask
from pipeline.catalog.layouts.folders import ImageMaskFolders
from pipeline.catalog.layouts.image_list import ImageList
from pipeline.catalog.listing import examine
from pipeline.catalog.record import Build, DatasetRecord, Licence, Subset
from pipeline.catalog.roles import (
    MASK_NAMES,
    Role,
    account,
    called_like_masks,
    lonely_masks,
    masks_among_images,
    sort_pictures,
)
from pipeline.catalog.samples import ANOMALOUS, Listing
from pipeline.catalog.tree import OTHER_PICTURES, Tree, is_image, read_tree, some
from pipeline.errors import DataError
from pipeline.files import open_regular

NORMAL_WORDS: Final = frozenset(
    {
        "good", "ok", "normal", "no", "negative", "healthy", "0", "0.0", "false", "pass", "passed", "clean",
        "none", "defect_free", "defect-free", "no_defect", "no defect", "nodefect", "anomaly_free", "io",
    }
)  # fmt: skip
_KNOWN: Final = (
    "known are [<subset>/]test/good + [<subset>/]test/<defect> + [<subset>/]ground_truth/<defect>; "
    "good + <defect>; images + masks, in two folders or in one; and a CSV or JSON of image, label[, mask]"
    "[, subset][, split]"
)
_NOT_READ: Final = {
    OTHER_PICTURES: "save such pictures as PNG, with 8 or 16 bits",
    (".zip", ".tar", ".tgz", ".gz", ".rar", ".7z", ".xz", ".bz2"): "unpack it first",
    (".xlsx", ".xls", ".ods"): "save the list as CSV",
    (".mp4", ".avi", ".mov", ".mkv"): "save its frames as PNG",
}
_START: Final = 16 << 20  # bytes in which a file shows what it is
_OUTLINES: Final = re.compile('"(?:shapes|segmentation|bbox|regions)"|<bndbox')  # labelme, COCO, VIA, VOC


@dataclass(frozen=True)
class Guess:
    """A record, what it lists in the folder, and what every picture was taken for."""

    record: DatasetRecord
    listing: Listing
    roles: Mapping[Role, tuple[str, ...]]


def guess(root: Path, name: str, normal: str | None = None, *, leave_aside: bool = False) -> Guess:
    """The record of the data set in `root`.

    Args:
        root: its folder.
        name: of the record.
        normal: what normal images are called (a folder, or a label of the list); None tries the usual words.
        leave_aside: whether pictures may be left that no layout knows.

    Raises:
        DataError: no layout fits; the message says what stands in the way and which layouts are known.
    """
    tree = read_tree(root)
    reasons: list[str] = []
    for finds in _finds(tree, normal):
        fits: list[Guess] = []
        for found in finds:
            one = found if isinstance(found, str) else _tried(tree, name, found, leave_aside=leave_aside)
            if isinstance(one, str):
                reasons.append(one)
            else:
                fits.append(one)
        files = {
            layout.file: -len(fit.listing.samples)
            for fit in fits
            if isinstance(layout := fit.record.layouts[0], ImageList)
        }
        if len(files) > 1:
            largest = sorted(files, key=lambda file: (files[file], file))
            raise DataError(
                f"{root}: more than one list fits, {some(largest)}; move all but the one that is meant away"
            )
        if fits:
            return fits[0]
        # What looks like one layout and is broken must not pass for another; a list may lie there by chance.
        if reasons and not all(isinstance(found, str) for found in finds):
            break
    told = "; ".join(dict.fromkeys([*_unread(tree), *reasons])) or "not the layout of a data set"
    raise DataError(f"{root}: {told}; {_KNOWN}")


def _unread(tree: Tree) -> Iterator[str]:
    """What to do about files that may be meant and are not read."""
    for suffixes, step in _NOT_READ.items():
        if unread := [path for path in tree.paths() if path.lower().endswith(suffixes)]:
            yield f"{some(unread)}: not read; {step}"
    for path in [path for path in tree.paths() if path.lower().endswith((".json", ".xml"))][:1]:
        with open_regular(tree.open_path(path)) as file:
            start = file.read(_START).decode(errors="replace")
        if _OUTLINES.search(start):
            yield f"{path}: outlines are not read; draw each as a mask, and a black one where there is none"


def _finds(tree: Tree, normal: str | None) -> Iterator[list[Rule | str]]:
    """Layouts that may fit or why there is none, from one kind of trace after the other."""
    words = NORMAL_WORDS if normal is None else frozenset({normal.casefold()})
    given = normal is not None
    yield [*by_lists(tree, words, given=given)]
    pictures = sort_pictures(tree)
    by_folders = [*by_label_folders(pictures, words, given=given)]
    yield by_folders
    if not by_folders:
        by_pairs = [*by_masks(tree, pictures)]
        yield by_pairs
        if not by_pairs:
            yield [*unnamed_folders(pictures, words)]
            if lonely := lonely_masks(pictures):
                yield [f"{some(lonely)}: called like masks, but after no image; {MASK_NAMES}"]
            if not (pictures.images or pictures.masks) and any(map(is_image, tree.paths())):
                yield ["all pictures lie in training folders; call the one to be measured test"]
            if pictures.masks:
                yield [f"the masks in {some(pictures.masks)} are called after no image; {MASK_NAMES}"]


def _tried(tree: Tree, name: str, rule: Rule, *, leave_aside: bool) -> Guess | str:
    """The record of a rule with what it lists, or why it does not fit."""
    record = _record(name, rule)
    listing, unused = examine(record, tree)
    if listing.problems:
        told = "; ".join(listing.problems.values())
        return f"{told}; {_about_masks(record)}" if "no mask" in told else told
    roles = account(tree, listing, unused)
    left = "" if leave_aside else _left_aside(record, roles["left aside"], unused)
    doubt = left or _doubt(tree, record, listing, unused)
    return doubt or Guess(_counted(record, listing), listing, roles)


def _about_masks(record: DatasetRecord) -> str:
    """What to do when masks are missing for some images."""
    if isinstance(record.layouts[0], ImageMaskFolders):
        return f"an image that shows no defect needs a mask that is black; {MASK_NAMES}"
    return f"where not every defect has one, move the masks away to measure image level alone; {MASK_NAMES}"


def _left_aside(record: DatasetRecord, left: Sequence[str], unused: Mapping[str, str]) -> str:
    """What is to be done about pictures without a place; "" without any."""
    if not left:
        return ""
    what = "picture has" if len(left) == 1 else "pictures have"
    return (
        f"{len(left)} {what} no place in {record.layouts[0].kind}: {some(left)} ({unused[left[0]]}); "
        f"move away what is no data, or leave it aside with --leave-aside; {MASK_NAMES}"
    )


def _doubt(tree: Tree, record: DatasetRecord, listing: Listing, unused: Mapping[str, str]) -> str:
    """Why what is listed cannot be meant; "" when it can. What stands in a list is taken at its word."""
    if not isinstance(record.layouts[0], ImageList):
        if called := called_like_masks(listing):
            return f"{some(called)}: called like masks, but look like none; rename them, or list all in a CSV"
        if alike := masks_among_images(tree, listing):
            return f"{some(alike)} look like masks, and would be images of anomalies; {MASK_NAMES}"
    empty = [path for path, reason in unused.items() if reason == MASK_OF_NORMAL]
    if marked := [path for path in empty if not is_empty_mask(tree, path)]:
        return f"{some(marked)}: the mask of a normal image marks a defect; correct one of them"
    if not any(sample.label == ANOMALOUS for sample in listing.samples):
        return "no image shows an anomaly, so nothing can be measured; add some"
    return ""


def _record(name: str, rule: Rule) -> DatasetRecord:
    layout, masks, subsets = rule
    try:
        return DatasetRecord(
            name=name,
            title=name,
            paper_name=name,
            domain="own",
            group="own",
            modality="not stated",
            tasks=("pixel",) if masks else ("image",),
            subsets=tuple(Subset(name=it, class_name=it.replace("_", " ")) for it in subsets or (name,)),
            builds=(Build(name="as added", normal=None, anomalous=None, status="confirmed"),),
            layouts=(layout,),
            sources=(),
            licence=Licence(name=None),
            facts_from=(),
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise DataError(
            f"{first['input']!r} cannot be the name of a subset, which has letters from A to Z, digits, "
            "spaces, _ and -, a letter or digit first; rename it"
        ) from None


def _counted(record: DatasetRecord, listing: Listing) -> DatasetRecord:
    """With the counts that were found; image-level where every subset has both labels."""
    counts = listing.counts()
    build = Build(
        name="as added",
        normal=sum(normal for normal, _ in counts.values()),
        anomalous=sum(anomalous for _, anomalous in counts.values()),
        status="confirmed",
    )
    subsets = tuple(
        it.model_copy(update=dict(zip(("normal", "anomalous"), counts[it.name], strict=True)))
        for it in record.subsets
    )
    both = record.has_masks and all(all(pair) for pair in counts.values())
    tasks = ("image", "pixel") if both else record.tasks
    return record.model_copy(update={"builds": (build,), "subsets": subsets, "tasks": tasks})
