"""What people do when a folder is refused, by the message alone, and what they have then."""

from collections.abc import Callable
from pathlib import Path

from PIL import Image

from pipeline.catalog import record

from .own import ONE
from .own_refused import (
    cameras_below_labels,
    day_of_one_label,
    day_without_normal,
    defects_alone_in_a_list,
    degrees_of_good,
    german_dates,
    list_of_a_part,
    list_of_another_split,
    lists_of_the_same_images,
    mask_only_of_some,
    masks_of_other_names,
    masks_of_some_defects,
    nothing_of_three,
    orphaned_mask,
    other_folders,
    other_numbering,
    outlines,
    part_without_normal,
    stray_of_another_kind,
    stray_picture,
    training_only,
    two_lists,
    two_places,
    two_sets_of_lists,
    two_words,
    two_words_in_a_list,
    visa_as_published,
)
from .trees import mask, text


def move(*names: str) -> Callable[[Path], None]:
    def follow(root: Path) -> None:
        away = root.with_name("away")
        away.mkdir()
        for name in names:
            (root / name).rename(away / Path(name).name)

    return follow


def nothing(root: Path) -> None:
    """The advice is an option."""


def in_a_list(root: Path) -> None:
    """Image, label and mask, as far as there are masks of the same number."""
    truths = {
        path.stem[-1]: path for path in root.rglob("*.png") if "mask" in f"{path.parent.name}{path.stem}"
    }
    rows = ["image,label,mask"]
    for path in sorted({*root.rglob("*.jpg"), *root.rglob("img_*.png")}):
        truth = truths.get(path.stem[-1])
        drawn = truth and Image.open(truth).getbbox()
        where = truth.relative_to(root) if truth and drawn else ""
        rows.append(f"{path.relative_to(root)},{'hole' if drawn else 'good'},{where}")
    text(root / "labels.csv", "\n".join(rows))


def renamed(root: Path) -> None:
    for path in list(root.glob("mask_*")):
        path.rename(root / f"img_{path.stem[-1]}_mask.png")


def drawn(root: Path) -> None:
    mask(root / "0_mask.png")
    mask(root / "1_mask.png", 0)


def swapped(root: Path) -> None:
    for label in ("ok", "nok"):
        for path in list((root / label).iterdir()):
            (root / path.name).mkdir(exist_ok=True)
            path.rename(root / path.name / label)
        (root / label).rmdir()


def rewritten(*changes: tuple[str, str]) -> Callable[[Path], None]:
    def follow(root: Path) -> None:
        content = (root / "labels.csv").read_text()
        for old, new in changes:
            content = content.replace(old, new)
        text(root / "labels.csv", content)

    return follow


def only_the_split(root: Path) -> None:
    for path in (*root.glob("split_csv/2cls*"), *root.glob("*/image_anno.csv")):
        path.unlink()


Step = Callable[[Path], object]
ADVICE: list[tuple[Step, Step, str | None, bool, dict[str, tuple[int, int]]]] = [
    (nothing_of_three, nothing, "nominal", False, {ONE: (2, 4)}),
    (other_folders, move("pred"), None, False, {ONE: (3, 3)}),
    (other_folders, nothing, "no", False, {ONE: (3, 4)}),
    (masks_of_other_names, move("masks"), None, False, {ONE: (3, 3)}),
    (masks_of_other_names, nothing, None, True, {ONE: (3, 3)}),
    (stray_picture, nothing, None, True, {ONE: (3, 3)}),
    (stray_picture, move("logo.png"), None, False, {ONE: (3, 3)}),
    (stray_of_another_kind, nothing, None, True, {ONE: (3, 3)}),
    (orphaned_mask, nothing, None, True, {ONE: (3, 3)}),
    (two_words, nothing, "good", False, {ONE: (3, 4)}),
    (day_of_one_label, move("2026-11-11"), None, False, {ONE: (2, 1)}),
    (day_without_normal, move("2026-11-11"), None, False, {ONE: (2, 1)}),
    (day_without_normal, nothing, None, True, {ONE: (2, 1)}),
    (part_without_normal, move("b"), None, False, {"a": (3, 3)}),
    (two_lists, move("two.csv"), None, False, {ONE: (1, 1)}),
    (two_sets_of_lists, move("realiad_jsons_sv"), None, False, {"audiojack": (2, 1), "bottle_cap": (2, 1)}),
    (lists_of_the_same_images, move("split_csv/2cls.csv"), None, False, {"one": (1, 1), "two": (1, 1)}),
    (mask_only_of_some, lambda root: mask(root / "masks/3.png", 0), None, False, {ONE: (3, 2)}),
    (mask_only_of_some, in_a_list, None, True, {ONE: (3, 2)}),
    (other_numbering, in_a_list, None, False, {ONE: (0, 2)}),
    (
        other_numbering,
        renamed,
        None,
        False,
        {ONE: (0, 2)},
    ),
    (outlines, drawn, None, False, {ONE: (1, 1)}),
    (masks_of_some_defects, move("ground_truth"), None, False, {ONE: (3, 3)}),
    (cameras_below_labels, swapped, None, False, {"left": (1, 1), "right": (1, 1)}),
    (
        german_dates,
        lambda root: (root / "10.11.2026").rename(root / "2026-11-10"),
        None,
        False,
        {"2026-11-10": (2, 1), "2026-11-11": (2, 1)},
    ),
    (
        list_of_another_split,
        rewritten(("holdout", "test")),
        None,
        False,
        {ONE: (1, 1)},
    ),
    (
        defects_alone_in_a_list,
        rewritten(("a.png,", "a.png,good")),
        None,
        False,
        {ONE: (1, 1)},
    ),
    (
        degrees_of_good,
        rewritten(("0.9", "1"), ("0.1", "0")),
        None,
        False,
        {ONE: (1, 1)},
    ),
    (visa_as_published, only_the_split, None, False, dict.fromkeys(record("visa").subset_names, (2, 3))),
    (training_only, lambda root: (root / "train").rename(root / "test"), None, False, {ONE: (3, 3)}),
    (two_places, move("512"), None, False, {ONE: (1, 1)}),
    (two_words_in_a_list, nothing, "good", False, {ONE: (1, 2)}),
    (list_of_a_part, nothing, None, True, {ONE: (1, 1)}),
]
