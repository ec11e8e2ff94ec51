"""Every form in which people have their images: what it is taken for, or why not."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from pipeline import catalog
from pipeline.catalog import DatasetRecord, guess
from pipeline.catalog.tree import mask_files
from pipeline.errors import DataError
from pipeline.shards import open_subset, prepare

from .own import FOLDERS, ONE, autovi, good_and_holes, images_and_masks, masks
from .own_advice import ADVICE
from .own_lists import LISTS
from .own_masks import MASKS
from .own_refused import REFUSED, masks_that_look_like_none, unnamed_masks
from .trees import mask, picture, text

EVERY = FOLDERS | MASKS | LISTS


@pytest.mark.parametrize("name", EVERY)
def test_what_people_have(name: str, tmp_path: Path) -> None:
    counts, number = EVERY[name](tmp_path)
    found = guess(tmp_path, ONE)
    assert found.listing.counts() == counts
    assert found.roles["left aside"] == ()
    marks = [sample.mask for sample in found.listing.samples if sample.mask]
    assert sum(len(mask_files(tmp_path, one)) for one in marks) == number
    assert len(set(marks)) == len(marks)
    assert not {sample.image for sample in found.listing.samples} & {*marks, *found.roles["masks"]}
    assert found.record.has_masks == (number > 0)
    assert ("image" in found.record.tasks) == all(all(pair) for pair in counts.values())
    again = DatasetRecord.model_validate(found.record.model_dump(mode="json", exclude_defaults=True))
    assert catalog.list_samples(again, tmp_path) == found.listing


def test_what_was_added_can_be_prepared(tmp_path: Path) -> None:
    """Several masks of one image are one; an image with an empty mask is normal."""
    autovi(tmp_path / "a")
    Image.new("L", (12, 9)).save(tmp_path / "a/engine_wiring/ground_truth/blue_hoop/0000/0002.png")
    found = guess(tmp_path / "a", ONE)
    manifest = prepare(found.record, tmp_path / "a", tmp_path / "out", [36], found.record.expected())
    assert manifest.errors == {}
    shard = open_subset(tmp_path / "out", "engine_wiring", 36)
    assert shard.masks(0, 2)[0].sum() > 0  # type: ignore[index]
    images_and_masks(tmp_path / "b")
    found = guess(tmp_path / "b", ONE)
    manifest = prepare(found.record, tmp_path / "b", tmp_path / "again", [36], found.record.expected())
    assert manifest.errors == {}
    assert list(open_subset(tmp_path / "again", ONE, 36).labels) == [0, 0, 1, 1, 1]


def test_masks_of_one_image_are_united(tmp_path: Path) -> None:
    home = tmp_path / "in"
    autovi(home)
    for number, box in enumerate(((0, 0, 4, 4), (6, 0, 10, 4))):
        one = Image.new("L", (12, 9))
        one.paste(255, box)
        one.save(home / f"engine_wiring/ground_truth/blue_hoop/0000/000{number}.png")
    found = guess(home, ONE)
    prepare(found.record, home, tmp_path / "out", [36])
    shard = open_subset(tmp_path / "out", "engine_wiring", 36)
    drawn = shard.masks(0, len(shard.labels))[
        list(shard.paths).index(  # type: ignore[index]
            "engine_wiring/test/blue_hoop/0000.png"
        )
    ]
    assert drawn[6, 6] == drawn[6, 24] == 1
    assert drawn[6, 15] == drawn[30, 6] == 0


@pytest.mark.parametrize("build", REFUSED, ids=lambda build: build.__name__)
def test_what_is_refused(build: Callable[[Path], object], tmp_path: Path) -> None:
    build(tmp_path)
    with pytest.raises(DataError, match=REFUSED[build]) as caught:
        guess(tmp_path, ONE)
    assert "published archive" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("build", "follow", "normal", "aside", "counts"), ADVICE)
def test_advice_leads_to_a_data_set(
    build: Callable[[Path], object],
    follow: Callable[[Path], None],
    normal: str | None,
    aside: bool,
    counts: dict[str, tuple[int, int]],
    tmp_path: Path,
) -> None:
    root = tmp_path / "photos"
    build(root)
    with pytest.raises(DataError):
        guess(root, ONE)
    follow(root)
    assert guess(root, ONE, normal, leave_aside=aside).listing.counts() == counts


def test_what_is_called_like_a_mask_can_be_an_image_of_a_list(tmp_path: Path) -> None:
    masks_that_look_like_none(tmp_path)
    images = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.png"))
    rows = [f"{path},{'good' if 'good' in path else 'hole'}" for path in images]
    text(tmp_path / "images.csv", "\n".join(["image,label", *rows]))
    assert guess(tmp_path, ONE).listing.counts() == {ONE: (3, 5)}


def test_the_message_about_masks_is_followed(tmp_path: Path) -> None:
    """Masks of names that are understood, in a folder called so."""
    unnamed_masks(tmp_path)
    (tmp_path / "masks").mkdir()
    for path in (tmp_path / "test/hole").glob("*_b.png"):
        path.rename(tmp_path / "masks" / path.name.replace("_b", "_mask"))
    found = guess(tmp_path, ONE)
    assert found.listing.counts() == {ONE: (3, 3)}
    assert found.record.has_masks


def test_a_record_of_an_own_set_never_speaks_of_a_published_archive(tmp_path: Path) -> None:
    root = tmp_path / "data"
    good_and_holes(root)
    masks(root / "ground_truth/hole", "{}.png")
    record = guess(root, ONE).record
    (root / "ground_truth/hole/001.png").unlink()
    (message,) = prepare(record, root, tmp_path / "out", [14], record.expected()).errors.values()
    assert message.endswith(f"for test/hole/001.png; put it right in {root}")
    mask(root / "ground_truth/hole/001.png", 0)
    (message,) = prepare(record, root, tmp_path / "out", [14], record.expected()).errors.values()
    assert message.endswith(f"001.png: the mask of an anomalous image is empty; put it right in {root}")
    shutil.rmtree(root / "test")
    (message,) = prepare(record, root, tmp_path / "out", [14], record.expected()).errors.values()
    assert message.endswith(f"no folder here looks like it; put it right in {root}")
    shutil.rmtree(root)
    with pytest.raises(DataError, match=rf"{root}: no such folder; put the files of widgets there"):
        prepare(record, root, tmp_path / "out", [14])


def test_flat_pictures_are_no_masks(tmp_path: Path) -> None:
    """A picture of one grey value is no mask; only black with something in it, or black alone, is."""
    for kind, value in (("good", 90), ("bad", 200)):
        for number in range(3):
            picture(tmp_path / kind / f"{number}.png", "L", value=value)
    assert guess(tmp_path, ONE).listing.counts() == {ONE: (3, 3)}
