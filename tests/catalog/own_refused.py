"""Folders that are refused, each with what is said."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from . import trees
from .own import by_date, good_and_holes, images_and_masks, masks, photo, photos
from .own_lists import real_iad
from .trees import mask, text


def nothing_of_three(root: Path) -> None:
    for kind in ("nominal", "local", "global"):
        photos(root / kind, ("0.png", "1.png"))


def other_folders(root: Path) -> None:
    good_and_holes(root, "", "no", "yes")
    photos(root / "pred", ("7.png",))


def masks_of_other_names(root: Path) -> None:
    good_and_holes(root, "", "no", "yes")
    masks(root / "masks", "m{}.png")


def masks_that_look_like_none(root: Path) -> None:
    good_and_holes(root)
    photos(root / "test/hole", ("000_label.png", "001_label.png"))


def masks_called_after_no_image(root: Path) -> None:
    photos(root / "images", ("img_0.png", "img_1.png"))
    mask(root / "masks/mask_0.png")


def unnamed_masks(root: Path) -> None:
    """Nothing in the name says that these are masks."""
    good_and_holes(root)
    masks(root / "test/hole", "{}_b.png")


def few_unnamed_masks(root: Path) -> None:
    """One of ten, so that only its name and its content together tell."""
    photos(root / "test/good", (f"{number}.png" for number in range(10)))
    photos(root / "test/hole", (f"{number:03d}.png" for number in range(10)))
    mask(root / "test/hole/003_annot.png")


def unnamed_folder_of_masks(root: Path) -> None:
    good_and_holes(root, "", "no", "yes")
    masks(root / "drawn", "{}.png")


def stray_picture(root: Path) -> None:
    good_and_holes(root)
    photo(root / "logo.png")


def stray_of_another_kind(root: Path) -> None:
    good_and_holes(root)
    text(root / "test/hole/007.heic", "a phone's")


def orphaned_mask(root: Path) -> None:
    good_and_holes(root)
    masks(root / "test/hole", "{}_mask.png", numbers=range(4))


def lost_mask_beside(root: Path) -> None:
    good_and_holes(root)
    masks(root / "test/hole", "{}_mask.png", numbers=range(2))


def two_names_of_masks(root: Path) -> None:
    for number, name in enumerate(("0_mask", "1_gt")):
        photo(root / f"images/{number}.png")
        mask(root / f"masks/{name}.png")


def marked_normal(root: Path) -> None:
    good_and_holes(root)
    masks(root / "ground_truth/hole", "{}.png")
    masks(root / "ground_truth/good", "{}.png", numbers=[1])


def two_words(root: Path) -> None:
    good_and_holes(root, "", "good", "bad")
    photos(root / "ok", ("7.png",))


def day_of_one_label(root: Path) -> None:
    by_date(root)
    shutil.rmtree(root / "2026-11-11/nok")


def day_without_normal(root: Path) -> None:
    by_date(root)
    shutil.rmtree(root / "2026-11-11/ok")


def part_without_normal(root: Path) -> None:
    good_and_holes(root, "a/test/")
    photos(root / "b/test/hole", ("0.png",))


def normal_only(root: Path) -> None:
    photos(root / "test/good", ("0.png", "1.png"))


def empty_masks_only(root: Path) -> None:
    photo(root / "images/0.png")
    mask(root / "masks/0.png", 0)


def mask_only_of_some(root: Path) -> None:
    images_and_masks(root)
    (root / "masks/3.png").unlink()


def two_lists(root: Path) -> None:
    photos(root, ("a.png", "b.png"))
    for name in ("one", "two"):
        text(root / f"{name}.csv", "image,label\na.png,0\nb.png,1\n")
    text(root / "two.csv", "filename,label\na.png,0\nb.png,1\n")


def two_places(root: Path) -> None:
    for home in ("256", "512"):
        photos(root / home, ("a.png", "b.png"))
    text(root / "labels.csv", "image,label\na.png,0\nb.png,1\n")


def two_words_in_a_list(root: Path) -> None:
    photos(root, ("a.png", "b.png", "c.png"))
    text(root / "labels.csv", "image,label\na.png,good\nb.png,ok\nc.png,hole\n")


def two_sets_of_lists(root: Path) -> None:
    real_iad(root)
    shutil.copytree(root / "realiad_jsons", root / "realiad_jsons_sv")


def lists_of_the_same_images(root: Path) -> None:
    """As the splits of VisA: they are no subsets."""
    for name in ("one", "two"):
        photos(root / name, ("a.png", "b.png"))
    rows = "image,label,object\n" + "".join(
        f"{name}/a.png,0,{name}\n{name}/b.png,1,{name}\n" for name in ("one", "two")
    )
    for name in ("1cls", "2cls"):
        text(root / f"split_csv/{name}.csv", rows)


def training_only(root: Path) -> None:
    good_and_holes(root, "train/")


def list_without_a_label(root: Path) -> None:
    photos(root, ("a.png", "b.png"))
    text(root / "labels.csv", "image,label\na.png,good\nb.png,\n")


def list_of_a_part(root: Path) -> None:
    photos(root, ("a.png", "b.png", "c.png"))
    text(root / "labels.csv", "image,label\na.png,good\nb.png,hole\n")


def other_numbering(root: Path) -> None:
    photos(root, ("img_0.png", "img_1.png"))
    for number in range(2):
        mask(root / f"mask_{number}.png")


def masks_of_some_defects(root: Path) -> None:
    good_and_holes(root)
    masks(root / "ground_truth/hole", "{}_mask.png", numbers=[0])


def cameras_below_labels(root: Path) -> None:
    for camera in ("left", "right"):
        photos(root / "ok" / camera, ("0.png",))
        photos(root / "nok" / camera, ("1.png",))


def german_dates(root: Path) -> None:
    by_date(root)
    (root / "2026-11-10").rename(root / "10.11.2026")


def phone_pictures(root: Path) -> None:
    for kind in ("good", "bad"):
        text(root / kind / "1.HEIC", "a phone's")


def packed(root: Path) -> None:
    text(root / "photos.zip", "PK")


def spreadsheet(root: Path) -> None:
    photos(root, ("a.png", "b.png"))
    text(root / "labels.xlsx", "PK")


def broken_json(root: Path) -> None:
    photos(root, ("a.png", "b.png"))
    text(root / "labels.json", '[{"image": "a.png",')


def list_of_another_split(root: Path) -> None:
    photos(root, ("a.png", "b.png"))
    text(root / "labels.csv", "image,label,split\na.png,0,holdout\nb.png,1,holdout\n")


def list_of_nothing(root: Path) -> None:
    text(root / "labels.csv", "")


def defects_alone_in_a_list(root: Path) -> None:
    photos(root, ("a.png", "b.png"))
    text(root / "labels.csv", "image,defect\na.png,\nb.png,crack\n")


def not_a_number_in_a_list(root: Path) -> None:
    photos(root, ("a.png", "b.png"))
    text(root / "labels.csv", "image,label\na.png,0\nb.png,nan\n")


def degrees_of_good(root: Path) -> None:
    photos(root, ("a.png", "b.png"))
    text(root / "labels.csv", "image,good\na.png,0.9\nb.png,0.1\n")


def escapes_in_a_label(root: Path) -> None:
    photos(root, ("a.png", "b.png"))
    text(root / "labels.csv", "image,label\na.png,0\nb.png,\x1b[31mred\n")


def outlines(root: Path) -> None:
    for number in range(2):
        photo(root / f"{number}.png")
        shapes = [{"label": "dent", "points": [[1, 2], [3, 4], [5, 1]]}]
        text(root / f"{number}.json", json.dumps({"shapes": shapes, "imagePath": f"{number}.png"}))


def boxes(root: Path) -> None:
    for number in range(2):
        photo(root / f"JPEGImages/{number}.jpg")
        text(root / f"Annotations/{number}.xml", "<annotation><object><bndbox/></object></annotation>")


def mask_of_itself(root: Path) -> None:
    photos(root, ("a.png", "b.png"))
    text(root / "labels.csv", "image,label,mask\na.png,good,\nb.png,hole,b.png\n")


def visa_as_published(root: Path) -> None:
    """Three splits, and a list in every folder whose paths count from the top."""
    trees.visa(root)
    split = root / "split_csv/1cls.csv"
    for other in ("2cls_fewshot", "2cls_highshot"):
        shutil.copy(split, split.with_name(f"{other}.csv"))
    for line in split.read_text().splitlines()[1:]:
        subset, _, label, image, truth = line.split(",")
        with (root / subset / "image_anno.csv").open("a") as file:
            file.write(f"{image},{label},{truth}\n")


REFUSED: dict[Callable[[Path], object], str] = {
    nothing_of_three: "which folder in the top is the normal one, global, local, nominal.* --normal",
    other_folders: "several folders beside no, pred, yes; if all of them show .*, say so with --normal no",
    masks_of_other_names: r"3 pictures have no place in mvtec_like: masks/m000.*--leave-aside.*000_mask",
    masks_that_look_like_none: r"000_label\.png, test/hole/001_label\.png: called like masks, but",
    masks_called_after_no_image: r"the masks in masks are called after no image; .*000_mask\.png",
    unnamed_masks: r"test/hole/000_b\.png, .* look like masks",
    few_unnamed_masks: r"test/hole/003_annot\.png look like masks",
    unnamed_folder_of_masks: "several folders beside no, drawn, yes",
    stray_picture: r"1 picture has no place in mvtec_like: logo\.png",
    stray_of_another_kind: r"007\.heic \(a picture of a kind that is not read",
    orphaned_mask: r"test/hole/003_mask\.png",
    lost_mask_beside: r"no mask, or more than one, for test/hole/002\.png.*000_mask\.png",
    two_names_of_masks: "no mask, or more than one",
    marked_normal: r"ground_truth/good/001\.png: the mask of a normal image marks a defect",
    two_words: "the top: good, ok may all mean normal; say with --normal",
    day_of_one_label: "2026-11-11: all test images have one label, normal",
    day_without_normal: r"1 picture has no place in mvtec_like: 2026-11-11/nok/1\.png",
    part_without_normal: r"b/test: no folder of normal images \(good\).* move b/test away",
    normal_only: "all test images have one label, normal, and image level needs both",
    empty_masks_only: "no image shows an anomaly",
    mask_only_of_some: r"no mask, or more than one, for images/3\.jpg.*needs a mask that is black.* CSV of",
    other_numbering: r"mask_0\.png, mask_1\.png: called like masks, but after no image; .* CSV of image",
    masks_of_some_defects: r"for test/hole/001\.png, .*move the masks away to measure image level alone",
    cameras_below_labels: "in folders below a label, ok/left, ok/right; put each folder of labels",
    german_dates: r"'10\.11\.2026' cannot be the name of a subset, which has letters from A to Z.*; rename",
    phone_pictures: r"bad/1\.HEIC, good/1\.HEIC: not read; save such pictures as PNG",
    packed: r"photos\.zip: not read; unpack it first",
    spreadsheet: r"labels\.xlsx: not read; save the list as CSV",
    broken_json: r"labels\.json: no JSON",
    list_of_another_split: r"labels\.csv: no row has the split test, but holdout; call it test",
    list_of_nothing: r"labels\.csv: must name the columns image and label \(.*, not none",
    defects_alone_in_a_list: r"labels\.csv: a\.png has no label; write what it shows",
    not_a_number_in_a_list: r"labels\.csv, line 3: b\.png: no label",
    degrees_of_good: r"labels\.csv: 0\.1, 0\.9 are degrees of good; give 0 and 1",
    escapes_in_a_label: r"labels\.csv: the label '\\x1b\[31mred' cannot be printed; write another word",
    outlines: r"0\.json: outlines are not read; draw each as a mask",
    boxes: r"Annotations/0\.xml: outlines are not read; draw each as a mask",
    mask_of_itself: r"labels\.csv, line 3: b\.png: named as the mask of itself",
    visa_as_published: r"more than one list fits, split_csv/1cls\.csv, .*fewshot\.csv, .*highshot\.csv, can",
    two_lists: r"more than one list fits, one\.csv, two\.csv; move all but the one that is meant away",
    two_sets_of_lists: r"more than one list fits, realiad_jsons/{subset}\.json, .*_sv/{subset}",
    lists_of_the_same_images: r"more than one list fits, split_csv/1cls\.csv, split_csv/2cls\.csv",
    training_only: "all pictures lie in training folders; call the one to be measured test",
    two_places: r"labels\.csv: paths may count from 256, 512; move all but one",
    two_words_in_a_list: r"labels\.csv: good, ok may all mean normal; say with --normal",
    list_without_a_label: r"labels\.csv, line 3: b\.png: no label",
    list_of_a_part: r"1 picture has no place in image_list: c\.png \(not in labels\.csv\)",
}
