"""The rules by which a folder is taken for a data set, each with the layout and the subsets that it proposes.

A CSV of images and labels, folders as MVTec AD has them, a folder of images beside one of masks, and a folder
of normal images beside one of anomalous images.


What kind of data set is this folder? A record for it, by looking at its names.

The rules of `guess_rules` are tried in turn. The ordinary listing decides: a rule holds when every image
finds its label and its mask.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from pipeline.catalog.layouts import AnyLayout
from pipeline.catalog.layouts.base import by_stem, find_mask
from pipeline.catalog.layouts.class_folders import ClassFolders
from pipeline.catalog.layouts.image_csv import ImageCsv, read_rows
from pipeline.catalog.layouts.image_mask_folders import ImageMaskFolders
from pipeline.catalog.layouts.mvtec_like import MvtecLike
from pipeline.catalog.listing import list_samples
from pipeline.catalog.record import Build, DatasetRecord, Licence, Subset
from pipeline.catalog.samples import Listing
from pipeline.catalog.tree import Tree, join, read_tree, some
from pipeline.errors import DataError

NORMAL_WORDS: Final = ("good", "ok", "normal", "no", "negative", "healthy", "0")
_IMAGES: Final = ("images", "image", "imgs", "img")
_MASKS: Final = ("masks", "mask", "ground_truth", "gt", "labels")
_MASK_STEMS: Final = ("{stem}_mask", "{stem}", "{stem}_gt", "{stem}_label", "{stem}_segmentation")
_DEFECT: Final = "anomaly"


@dataclass(frozen=True)
class Rule:
    """A layout that may fit; without subsets the data set is its own only one."""

    layout: AnyLayout
    masks: bool
    subsets: tuple[str, ...] = ()


def by_csv(tree: Tree, words: Sequence[str]) -> Iterator[Rule | str]:
    """Every CSV at the top that has the columns of `ImageCsv` and a label out of `words`."""
    for path in [name for name in tree.files[""] if name.lower().endswith(".csv")]:
        try:
            rows = [row for _, row in read_rows(tree, path)]
        except DataError as error:
            yield str(error)
            continue
        labels = dict.fromkeys(row["label"] for row in rows)
        normal = _normal(labels, words)
        if normal is None:
            yield f"{path}: which label means normal, {some(labels)}? Say it with --normal"
            continue
        subsets = tuple(dict.fromkeys(row["subset"] for row in rows if "subset" in row))
        masks = any(row.get("mask") for row in rows)
        yield Rule(ImageCsv(kind="image_csv", csv=path, normal=normal), masks, subsets)


def _by_defect_folders(tree: Tree, words: Sequence[str]) -> Iterator[Rule | str]:
    homes = [f.removesuffix("test").removesuffix("/") for f in tree.folders if f"/{f}".endswith("/test")]
    if not homes:
        return
    parents = {home.rpartition("/")[0] for home in homes}
    if len(parents) > 1:
        yield f"test folders at different depths, below {some(homes)}"
        return
    kinds = [tree.folders[join(home, "test")] for home in homes]
    normal = _normal(set(kinds[0]).intersection(*kinds), words)
    if normal is None:
        yield f"which folder in test is the normal one, {some(kinds[0])}? Say it with --normal"
        return
    pairs = [
        (join(home, f"test/{kind}"), join(home, f"ground_truth/{kind}"))
        for home, inner in zip(homes, kinds, strict=True)
        for kind in inner
        if kind != normal
    ]
    masks = _mask_stems(tree, pairs)
    flat = homes == [""]
    subsets = () if flat else tuple(home.rpartition("/")[2] for home in homes)
    yield Rule(MvtecLike(kind="mvtec_like", normal=normal, masks=masks, flat=flat), bool(masks), subsets)


def _by_mask_folder(tree: Tree, _words: Sequence[str]) -> Iterator[Rule | str]:
    for base, inner in tree.folders.items():
        images = _normal(inner, _IMAGES)
        masks = _normal(inner, _MASKS)
        if images is not None and masks is not None:
            stems = _mask_stems(tree, [(join(base, images), join(base, masks))])
            for stem in stems:
                yield Rule(
                    ImageMaskFolders(
                        kind="image_mask_folders", images=images, masks=masks, mask=stem, defect=_DEFECT
                    ),
                    masks=True,
                )


def _by_class_folders(tree: Tree, words: Sequence[str]) -> Iterator[Rule | str]:
    for base, inner in tree.folders.items():
        filled = [folder for folder in inner if tree.images(join(base, folder))]
        normal = _normal(filled, words)
        others = [folder for folder in filled if folder != normal]
        if normal is None or not others:
            continue
        if len(others) > 1:
            yield f"several folders beside {normal}, {some(others)}: put them all below a folder test"
            continue
        layout = ClassFolders(kind="class_folders", normal=normal, anomalous=others[0], defect=others[0])
        yield Rule(layout, masks=False)


def _normal(names: Iterable[str], words: Sequence[str]) -> str | None:
    """The first name that is one of `words`, upper or lower case."""
    return next((name for name in sorted(names) if name.casefold() in words), None)


def _mask_stems(tree: Tree, pairs: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """How masks are called, most frequent first; () without any file in the mask folders."""
    found = dict.fromkeys(_MASK_STEMS, 0)
    files = 0
    for images, truth in pairs:
        masks = by_stem(tree.images(truth))
        files += len(masks)
        for stem in _MASK_STEMS:
            found[stem] += sum(find_mask(name, masks, (stem,)) is not None for name in tree.images(images))
    used = sorted((stem for stem in found if found[stem]), key=lambda stem: -found[stem])
    return tuple(used) or _MASK_STEMS[: bool(files)]


FINDERS: Final[tuple[Callable[[Tree, Sequence[str]], Iterator[Rule | str]], ...]] = (
    by_csv,
    _by_defect_folders,
    _by_mask_folder,
    _by_class_folders,
)
"""In the order in which they are tried. Each gives rules that may hold, or why there is none."""


_KNOWN: Final = (
    "known are [<subset>/]test/good + [<subset>/]test/<defect> + [<subset>/]ground_truth/<defect>; "
    "images + masks; good + <defect>; and a CSV with the columns image,label[,mask][,subset][,split]"
)


@dataclass(frozen=True)
class Guess:
    """A record, and what it lists in the folder."""

    record: DatasetRecord
    listing: Listing


def guess(root: Path, name: str, normal: str | None = None) -> Guess:
    """The record of the data set in `root`.

    Args:
        root: its folder.
        name: of the record.
        normal: what normal images are called (a folder, or a label of the CSV); None tries the usual words.

    Raises:
        DataError: no rule holds; the message says what stands in the way and which layouts are known.
    """
    tree = read_tree(root)
    words = NORMAL_WORDS if normal is None else (normal.casefold(),)
    reasons: list[str] = []
    for finder in FINDERS:
        finds = list(finder(tree, words))
        for found in finds:
            if isinstance(found, str):
                reasons.append(found)
                continue
            record = _record(name, found)
            listing = list_samples(record, root)
            if not listing.problems:
                return Guess(_counted(record, listing), listing)
            reasons += listing.problems.values()
        # What looks like one layout and is broken must not pass for another; a CSV may lie there by chance.
        if reasons and (finder is not by_csv or not all(isinstance(found, str) for found in finds)):
            break
    told = "; ".join(dict.fromkeys(reasons)) or "not the layout of a data set"
    raise DataError(f"{root}: {told}; {_KNOWN}")


def _record(name: str, rule: Rule) -> DatasetRecord:
    subsets = rule.subsets or (name,)
    try:
        return DatasetRecord(
            name=name,
            title=name,
            paper_name=name,
            domain="own",
            group="own",
            modality="not stated",
            tasks=("pixel",) if rule.masks else ("image",),
            subsets=tuple(Subset(name=it, class_name=it.replace("_", " ")) for it in subsets),
            builds=(Build(name="as added", normal=None, anomalous=None, status="confirmed"),),
            layouts=(rule.layout,),
            sources=(),
            licence=Licence(name=None),
            facts_from=(),
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise DataError(
            f"{first['input']!r} cannot be the name of a data set or of a subset: {first['msg']}"
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
