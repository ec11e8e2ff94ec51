"""Masks and names in other ways than the usual; see `own`."""

import unicodedata
from collections.abc import Callable
from pathlib import Path

from .own import ONE, Found, good_and_holes, masks, photo, photos
from .trees import mask, text


def several_masks_beside(root: Path) -> Found:
    for number in range(2):
        masks(root / "test/hole", f"{{}}_mask_{number}.png")
    return good_and_holes(root)[0], 6


def several_masks_of_some(root: Path) -> Found:
    masks(root / "test/hole", "{}_mask.png", numbers=(0, 1))
    masks(root / "test/hole", "{}_mask1.png", numbers=(1,))
    masks(root / "test/hole", "{}_Mask-0.png", numbers=(2,))
    masks(root / "test/hole", "{}_Mask-1.png", numbers=(2,))
    return good_and_holes(root)[0], 5


def several_masks_in_ground_truth(root: Path) -> Found:
    for number in range(2):
        masks(root / "ground_truth/hole", f"{{}}_mask_{number}.png")
    return good_and_holes(root)[0], 6


def several_masks_in_two_folders(root: Path) -> Found:
    for number in range(3):
        photo(root / f"images/{number:03d}.png")
    for number in range(2):
        masks(root / "masks", f"{{}}_mask ({number}).png")
    return {ONE: (0, 3)}, 6


def pascal_voc(root: Path) -> Found:
    for number in range(3):
        photo(root / f"JPEGImages/{number:03d}.jpg")
    masks(root / "SegmentationClass", "{}.png")
    return {ONE: (0, 3)}, 3


def joined_words(root: Path) -> Found:
    masks(root / "TestMasks/hole", "{}.png")
    return good_and_holes(root)


def mvtec_3d(root: Path) -> Found:
    for kind, value in (("good", 0), ("hole", 255)):
        photos(root / "bagel/test" / kind / "rgb", ("000.png", "001.png"))
        masks(root / "bagel/test" / kind / "gt", "{}.png", value, numbers=(0, 1))
    return {"bagel": (2, 2)}, 2


def accents_in_two_spellings(root: Path) -> Found:
    """As a Mac writes the one and all others the other."""
    photos(root / "test/good", ("0.png",))
    photos(root / "test/hole", (unicodedata.normalize("NFC", "Stück.png"),))
    mask(root / "ground_truth/hole" / unicodedata.normalize("NFD", "stück_mask.png"))
    return {ONE: (1, 1)}, 1


def litter(root: Path) -> Found:
    for path in (
        "@eaDir/000.png/THUMB.jpg",
        "$RECYCLE.BIN/x.png",
        ".ipynb_checkpoints/0.png",
        "__MACOSX/._0.png",
    ):
        photo(root / "test/good" / path)
    for path in ("Thumbs.db", "ehthumbs.db", "desktop.INI", ".DS_Store"):
        text(root / "test/good" / path, "x")
    return good_and_holes(root)[0], 0


MASKS: dict[str, Callable[[Path], Found]] = {
    builder.__name__: builder
    for builder in (
        several_masks_beside, several_masks_of_some, several_masks_in_ground_truth,
        several_masks_in_two_folders, pascal_voc,
        joined_words, mvtec_3d, accents_in_two_spellings, litter,
    )
}  # fmt: skip
