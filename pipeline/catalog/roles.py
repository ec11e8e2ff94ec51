"""What a picture in a folder is, image or mask: by its name and place, and else by content.

A mask lies in a folder that is called so, or beside its image and is called like it with a word for masks
before or behind, or has the name of its image and another suffix; then what it holds decides. `account` says
at last what every picture of a data set was taken for.
"""

import re
from collections import defaultdict
from collections.abc import Container, Mapping, Sequence
from filecmp import cmp
from pathlib import PurePosixPath
from typing import Final, Literal, NamedTuple, TypeAlias, get_args

import numpy as np
from PIL import Image

from pipeline.catalog.images import open_contents, read_image
from pipeline.catalog.layouts.base import MASK_OF_NORMAL, TRAINING, UNLABELLED, apart
from pipeline.catalog.samples import NORMAL, Listing
from pipeline.catalog.tree import (
    MANY,
    Tree,
    folded,
    is_image,
    is_picture,
    join,
    mask_files,
    stem,
    without_number,
)
from pipeline.errors import DataError

Role: TypeAlias = Literal["normal", "anomalous", "masks", "train", "unlabelled", "copies", "left aside"]

_WORD = (
    r"(?:masks?|gts?|labels?|annotations?|seg(?:mentation)?s?|segmentation(?:class|object)|"
    r"ground[ _-]?truths?|truths?)"
)
_MASK_FOLDER: Final = re.compile(rf"(?:.*[ ._-])?{_WORD}(?:[ ._-].*)?", re.IGNORECASE)
_BEHIND: Final = re.compile(rf"(.+?)([ ._-]?{_WORD})", re.IGNORECASE)
_BEFORE: Final = re.compile(rf"({_WORD}[ ._-]?)(.+)", re.IGNORECASE)

MASK_NAMES: Final = (
    "a mask is called like its image, or with mask, gt, label, seg or ground_truth before or behind it "
    "(000_mask.png, several as 000_mask_0.png), beside the image or in a folder called so; or it stands in a "
    "CSV of image, label and mask"
)
_PERHAPS: Final = re.compile("mask|truth", re.IGNORECASE)  # TestMasks, or faces with masks
# A label or a segment may be what is photographed, so that such names alone do not tell.
_SURE_WORD: Final = re.compile(r"mask|truth|(?:^|[ ._-])gts?(?:$|[ ._-])", re.IGNORECASE)
_LOOKED_AT: Final = 200  # pictures of a data set whose content is looked at
_FEW_VALUES: Final = 8
_NOISE: Final = 16  # grey values by which JPEG moves those of a mask
_SURE: Final = 0.95  # share of a mask that lies so near its darkest or brightest value
_SUSPICIOUS: Final = 0.2  # share of pictures that look like masks, from which on they are taken for some


class Pictures(NamedTuple):
    """The pictures of a tree, sorted; those of training folders are left out.

    Attributes:
        images: folder to its images that are no masks.
        masks: folder of masks to their names.
        beside: folder of images to the masks among them, each with its pattern.
    """

    images: Mapping[str, tuple[str, ...]]
    masks: Mapping[str, tuple[str, ...]]
    beside: Mapping[str, Mapping[str, str]]


def sort_pictures(tree: Tree) -> Pictures:
    """Tell images from masks, by names and, where these do not tell, by content."""
    places = _mask_folders(tree)
    folders = [folder for folder in tree.folders if tree.images(folder) and apart(folder) is None]
    beside = {folder: _masks_beside(tree, folder) for folder in folders if folder not in places}
    return Pictures(
        images={
            folder: names
            for folder, masks in beside.items()
            if (names := tuple(name for name in tree.images(folder) if name not in masks))
        },
        masks={folder: tree.images(folder) for folder in folders if folder in places},
        beside={folder: masks for folder, masks in beside.items() if masks},
    )


def mask_paths(tree: Tree) -> frozenset[str]:
    """Every picture that is a mask, also one that is called and looks so beside no image."""
    places = _mask_folders(tree)
    paired = {
        join(folder, name)
        for folder in tree.folders
        for name in (tree.images(folder) if folder in places else _masks_beside(tree, folder))
    }
    called = (path for path in tree.paths() if is_image(path) and _SURE_WORD.search(stem(path)))
    return frozenset(paired | {path for path in called if path in paired or looks_like_mask(tree, path)})


def _mask_folders(tree: Tree) -> frozenset[str]:
    """The folders of masks and all below: called so and, where the word may mean others, looking so."""
    found: set[str] = set()
    for folder in tree.folders:  # sorted: the folders above come first
        above, _, name = folder.rpartition("/")
        called = _MASK_FOLDER.fullmatch(name)
        sure = above in found or (called and _SURE_WORD.search(name))
        if sure or ((called or _PERHAPS.search(name)) and _holds_masks(tree, folder)):
            found.add(folder)
    return frozenset(found)


def _holds_masks(tree: Tree, folder: str) -> bool:
    below = [path for path in tree.paths() if is_image(path) and path.startswith(f"{folder}/")]
    return bool(below) and _most_look_like_masks(tree, below)


def _most_look_like_masks(tree: Tree, paths: Sequence[str]) -> bool:
    seen = _spread(paths, _FEW_VALUES)
    return 2 * sum(looks_like_mask(tree, path) for path in seen) > len(seen)


def mask_pattern(mask: str, images: Container[str]) -> str | None:
    """How a mask is called, `{stem}` standing for one of `images`, stems in lower case; None without one.

    Where a number behind tells several masks of an image apart, `*` stands for it.

    Examples:
        >>> [mask_pattern(mask, {"a"}) for mask in ("a_mask.png", "GT-a.png", "a_mask_2.png", "b.png")]
        ['{stem}_mask', 'GT-{stem}', '{stem}_mask*', None]
    """
    name = stem(mask)
    if (behind := _BEHIND.fullmatch(name)) and folded(behind[1]) in images:
        return "{stem}" + behind[2]
    if (before := _BEFORE.fullmatch(name)) and folded(before[2]) in images:
        return before[1] + "{stem}"
    if (behind := _BEHIND.fullmatch(without_number(name))) and folded(behind[1]) in images:
        return "{stem}" + behind[2] + MANY
    return "{stem}" if folded(name) in images else None


def likeliest(patterns: Mapping[str, int]) -> str:
    """How most masks are called, with a number where some have one."""
    most = max(patterns, key=lambda pattern: patterns[pattern])
    return most + MANY if most + MANY in patterns else most


def _masks_beside(tree: Tree, folder: str) -> dict[str, str]:
    """Mask to its pattern, for masks that lie among the images of a folder."""
    names = tree.images(folder)
    stems = {folded(stem(name)) for name in names}
    called: dict[str, list[str]] = {}
    for name in names:
        if (pattern := mask_pattern(name, stems)) not in (None, "{stem}"):
            called.setdefault(str(pattern), []).append(name)
    found = {
        name: pattern
        for pattern, masks in called.items()
        if _SURE_WORD.search(pattern) or _most_look_like_masks(tree, [join(folder, name) for name in masks])
        for name in masks
    }
    return found | _twins(tree, folder, [name for name in names if name not in found])


def _twins(tree: Tree, folder: str, names: Sequence[str]) -> dict[str, str]:
    """Masks that differ from their image in the suffix alone; only masks hold a few values."""
    suffixes: dict[str, set[str]] = {}
    for name in names:
        suffixes.setdefault(stem(name), set()).add(PurePosixPath(name).suffix)
    pairs = [one for one, has in suffixes.items() if len(has) == 2]
    for suffix in sorted({suffix for one in pairs for suffix in suffixes[one]}):
        mine = [one for one in pairs if suffix in suffixes[one]]
        seen = _spread(mine, _FEW_VALUES)
        others = {join(folder, f"{one}{other}") for one in seen for other in suffixes[one] - {suffix}}
        if all(looks_like_mask(tree, join(folder, f"{one}{suffix}")) for one in seen) and not all(
            looks_like_mask(tree, path) for path in others
        ):
            return {f"{one}{suffix}": f"{{stem}}{suffix}" for one in mine}
    return {}


def looks_like_mask(tree: Tree, path: str) -> bool:
    """Whether a picture has a black ground and few values, but for noise of JPEG; False when unreadable."""
    try:
        image, wide, _ = open_contents(read_image(tree.root / path, path), path)
    except DataError:
        return False
    return _like_mask(image) if wide is None else not wide.min() and len(np.unique(wide)) <= _FEW_VALUES


def _like_mask(image: Image.Image) -> bool:
    if image.mode not in ("1", "L"):
        colours = image.convert("RGB").getcolors(_FEW_VALUES)
        if colours is not None:
            return (0, 0, 0) in {colour for _, colour in colours}
        if np.ptp(np.asarray(image.convert("RGB"), np.int16), axis=2).max() > _NOISE:
            return False
    grey = np.asarray(image.convert("L"))
    if grey.min() > 0:
        return False
    if len(np.unique(grey)) <= _FEW_VALUES:
        return True
    near = (grey <= _NOISE) | (grey >= int(grey.max()) - _NOISE)
    return bool(near.mean() >= _SURE and grey.max() > 2 * _NOISE)


def masks_among_images(tree: Tree, listing: Listing) -> list[str]:
    """Images that look like masks and are many, or are called like another one with something added.

    None where the normal images look so too: then that is how the data are.
    """
    groups = [
        [sample.image for sample in listing.samples if (sample.label == NORMAL) == normal]
        for normal in (True, False)
    ]
    normal, anomalous = (
        [path for path in _spread(group, _LOOKED_AT) if looks_like_mask(tree, path)] for group in groups
    )
    if len(normal) > _SUSPICIOUS * len(_spread(groups[0], _LOOKED_AT)):
        return []
    if groups[0] and len(anomalous) >= _SUSPICIOUS * len(_spread(groups[1], _LOOKED_AT)):
        return anomalous
    stems = {folded(stem(path)) for group in groups for path in group}
    longer = [path for group in groups for path in group if _adds_to_one(folded(stem(path)), stems)]
    return [path for path in _spread(longer, _LOOKED_AT) if looks_like_mask(tree, path)]


def _adds_to_one(name: str, stems: Container[str]) -> bool:
    """Whether a stem is another one with something before or behind it."""
    breaks = [at for at, char in enumerate(name) if char in "._- "]
    return any(name[:at] in stems or name[at + 1 :] in stems for at in breaks)


def lonely_masks(pictures: Pictures) -> list[str]:
    """Pictures that are called like masks, but after no image."""
    found = [join(folder, name) for folder, names in pictures.images.items() for name in names]
    return [path for path in found if _SURE_WORD.search(stem(path))]


def called_like_masks(listing: Listing) -> list[str]:
    """Images that are called like the mask of another one in their folder, and were not taken for it."""
    by_folder: dict[str, dict[str, str]] = defaultdict(dict)
    for sample in listing.samples:
        by_folder[sample.image.rpartition("/")[0]][folded(stem(sample.image))] = sample.image
    return [
        path
        for names in by_folder.values()
        for path in names.values()
        if mask_pattern(path, names) not in (None, "{stem}")
    ]


def _spread(paths: Sequence[str], number: int) -> list[str]:
    """Up to `number` of `paths`, evenly over all."""
    step = max(1, -(-len(paths) // number))
    return list(paths[::step])


def account(tree: Tree, listing: Listing, unused: Mapping[str, str]) -> dict[Role, tuple[str, ...]]:
    """What every picture was taken for; `unused` is path to reason of all files that are not used.

    Copies are byte for byte the same as a picture that is used, and have its name.
    """
    found: dict[Role, list[str]] = {role: [] for role in get_args(Role)}
    for sample in listing.samples:
        found["normal" if sample.label == NORMAL else "anomalous"].append(sample.image)
        if sample.mask is not None:
            found["masks"] += mask_files(tree.root, sample.mask)
    used: dict[str, list[str]] = defaultdict(list)
    for path in [path for paths in found.values() for path in paths]:
        used[PurePosixPath(path).name].append(path)
    for path, reason in unused.items():
        if is_picture(path):
            found[_role(tree, path, reason, used)].append(path)
    return {role: tuple(sorted(set(paths))) for role, paths in found.items()}


def _role(tree: Tree, path: str, reason: str, used: Mapping[str, Sequence[str]]) -> Role:
    if reason in (TRAINING, UNLABELLED):
        return "train" if reason == TRAINING else "unlabelled"
    if reason == MASK_OF_NORMAL:
        return "masks"
    same = used.get(PurePosixPath(path).name, ())
    copy = any(cmp(tree.root / path, tree.root / one, shallow=False) for one in same)
    return "copies" if copy else "left aside"
