from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import catalog
from pipeline.catalog import DatasetRecord, guess
from pipeline.errors import DataError

from . import trees
from .trees import mask, picture, text


def mvtec_one(root: Path) -> None:
    """One kind of object, without a folder of its own; masks are called like their images."""
    for number in range(3):
        picture(root / f"train/Good/{number}.png")
        picture(root / f"test/Good/{number}.png")
        picture(root / f"test/dent/{number}.jpg")
        mask(root / f"ground_truth/dent/{number}.png")


def mvtec_no_masks(root: Path) -> None:
    for subset in ("left side", "right_side"):
        picture(root / "parts" / subset / "test/ok/1.png")
        for defect in ("dent", "scratch"):
            picture(root / "parts" / subset / f"test/{defect}/1.png")


def images_and_masks(root: Path) -> None:
    for number in range(2):
        picture(root / f"set/Images/{number}.jpg")
        mask(root / f"set/masks/{number}_mask.png")


def two_folders(root: Path) -> None:
    for number in range(4):
        picture(root / f"normal/{number}.png")
        picture(root / f"broken/{number}.png")
    text(root / "notes.txt", "from the camera above line 3")


def csv_with_all(root: Path) -> None:
    rows = ["image, label, mask, subset, split, remark"]
    for subset in ("a", "b"):
        picture(root / f"pictures/{subset}0.png")
        picture(root / f"pictures/{subset}1.png")
        picture(root / f"pictures/{subset}2.png")
        mask(root / f"drawn/{subset}1-by-hand.png")
        rows.append(f"pictures/{subset}0.png, OK, , {subset}, test,")
        rows.append(f"pictures/{subset}1.png, crack, drawn/{subset}1-by-hand.png, {subset}, test, faint")
        rows.append(f"pictures/{subset}2.png, OK, , {subset}, train,")
    text(root / "labels.csv", "\n".join(rows))


def csv_with_least(root: Path) -> None:
    picture(root / "x.png")
    picture(root / "y.png")
    text(root / "labels.csv", "image,label\nx.png,0\ny.png,1\n\n")


Known = tuple[str, dict[str, tuple[int, int]], tuple[str, ...]]
FOLDERS: dict[Callable[[Path], object], Known] = {
    mvtec_one: ("mvtec_like", {"widgets": (3, 3)}, ("image", "pixel")),
    mvtec_no_masks: ("mvtec_like", {"left side": (1, 2), "right_side": (1, 2)}, ("image",)),
    images_and_masks: ("image_mask_folders", {"widgets": (0, 2)}, ("pixel",)),
    two_folders: ("mvtec_like", {"widgets": (4, 4)}, ("image",)),
    csv_with_all: ("image_list", {"a": (1, 1), "b": (1, 1)}, ("image", "pixel")),
    csv_with_least: ("image_list", {"widgets": (1, 1)}, ("image",)),
}


@pytest.mark.parametrize("build", FOLDERS, ids=lambda build: build.__name__)
def test_what_a_folder_is(build: Callable[[Path], object], tmp_path: Path) -> None:
    kind, counts, tasks = FOLDERS[build]
    build(tmp_path)
    found = guess(tmp_path, "widgets")
    assert found.record.layouts[0].kind == kind
    assert found.listing.counts() == counts
    assert {it.name: it.counts for it in found.record.subsets} == counts
    assert found.record.tasks == tasks
    assert catalog.count_problems(found.record, counts, found.record.expected()) == {}
    for sample in found.listing.samples:
        assert (sample.mask is not None) == (sample.label == 1 and "pixel" in tasks)
    again = DatasetRecord.model_validate(found.record.model_dump(mode="json", exclude_defaults=True))
    assert again == found.record


@pytest.mark.parametrize("name", ["mvtec", "mpdd", "btad", "dtd_synthetic", "brainmri", "kvasir", "endo"])
def test_published_trees_are_understood_without_their_record(name: str, tmp_path: Path) -> None:
    counts = trees.PUBLISHED[name](tmp_path)
    found = guess(tmp_path, "mine")
    assert sorted(found.listing.counts().values()) == sorted(counts.values())
    assert found.record.has_masks == catalog.record(name).has_masks


def lost_mask(root: Path) -> None:
    mvtec_one(root)
    (root / "ground_truth/dent/1.png").unlink()


def strange_normal(root: Path) -> None:
    mvtec_one(root)
    (root / "test/Good").rename(root / "test/intact")


def many_folders(root: Path) -> None:
    two_folders(root)
    picture(root / "dirty/1.png")


def bad_subset_name(root: Path) -> None:
    picture(root / "größe/test/good/1.png")
    picture(root / "größe/test/bad/1.png")


def csv_that_leads_out(root: Path) -> None:
    text(root / "labels.csv", "image,label\n../x.png,ok\ny.png,bad\n")


def csv_without_label(root: Path) -> None:
    text(root / "labels.csv", "width,height\n12,9\n")


def csv_with_unknown_words(root: Path) -> None:
    text(root / "labels.csv", "image,label\nx.png,intact\ny.png,cracked\n")


def csv_with_a_short_line(root: Path) -> None:
    text(root / "labels.csv", "image,label\nx.png\n")


def nothing(root: Path) -> None:
    picture(root / "a/b/c.png")


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lost_mask, "no mask, or more than one, for test/dent/1.jpg"),
        (strange_normal, "which folder in test is the normal one, dent, intact"),
        (many_folders, "several folders beside normal, broken, dirty"),
        (bad_subset_name, "'größe' cannot be the name"),
        (csv_that_leads_out, r"labels.csv, line 2: ../x.png: no such file"),
        (csv_without_label, "must name the columns image and label"),
        (csv_with_unknown_words, "which label means normal, cracked, intact|intact, cracked"),
        (csv_with_a_short_line, "line 2: 1 cells, where the first has 2"),
        (nothing, "not the layout of a data set; known are"),
    ],
)
def test_what_is_not_understood_is_said(
    build: Callable[[Path], object], message: str, tmp_path: Path
) -> None:
    build(tmp_path)
    with pytest.raises(DataError, match=message):
        guess(tmp_path, "widgets")


def test_a_word_for_normal_can_be_given(tmp_path: Path) -> None:
    strange_normal(tmp_path)
    assert guess(tmp_path, "widgets", "Intact").listing.counts() == {"widgets": (3, 3)}


def test_an_image_with_two_labels_is_refused(tmp_path: Path) -> None:
    csv_with_least(tmp_path)
    text(tmp_path / "labels.csv", "image,label\nx.png,0\ny.png,1\nx.png,1\n")
    with pytest.raises(DataError, match=r"listed more than once: x\.png"):
        guess(tmp_path, "widgets")


def test_a_mask_of_a_normal_image_is_not_read(tmp_path: Path) -> None:
    """Some tools write an empty mask for every image, or name one that is not there."""
    csv_with_least(tmp_path)
    mask(tmp_path / "m.png")
    text(tmp_path / "labels.csv", "image,label,mask\nx.png,0,nowhere.png\ny.png,1,m.png\n")
    samples = guess(tmp_path, "widgets").listing.samples
    assert {sample.image: sample.mask for sample in samples} == {"x.png": None, "y.png": "m.png"}
