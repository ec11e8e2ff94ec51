"""A set of one's own in 16 bits, with grey masks and small ones, gives what its plain twin gives."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.catalog import count_problems, list_samples, registry
from pipeline.datasets import Added, add_dataset
from pipeline.errors import DataError
from pipeline.shards import open_subset, prepare

from .own import photo

SIDE = 16
GREY = np.arange(256, dtype=np.uint16).reshape(SIDE, SIDE)


def draw(folder: Path, factor: int, mask: Image.Image) -> None:
    for name in ("images/good.png", "images/bad.png", "masks/good.png", "masks/bad.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        values = GREY if "bad" in name else GREY[::-1]
        picture = Image.fromarray(values * factor if factor > 1 else values.astype(np.uint8))
        blank = Image.new("L", mask.size)
        (picture if "images" in name else mask if "bad" in name else blank).save(folder / name)


def square(side: int, value: int = 255) -> Image.Image:
    pixels = np.zeros((side, side), np.uint8)
    pixels[side // 4 : side // 2, side // 4 : side // 2] = value
    return Image.fromarray(pixels)


def added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, factor: int, mask: Image.Image) -> Added:
    monkeypatch.chdir(tmp_path)
    draw(tmp_path / "photos", factor, mask)
    return add_dataset(tmp_path / "photos", "widgets")


@pytest.mark.parametrize(("factor", "depth"), [(1, None), (257, 16), (16, 12)])
def test_16_bits_are_found_said_and_scaled(
    factor: int, depth: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = added(tmp_path, monkeypatch, factor, square(SIDE))
    record = found.guess.record
    assert record.builds[0].bit_depth == depth
    assert bool(found.notes) == (depth is not None)
    assert all(f"largest value {255 * factor}: read as {depth} bits" in note for note in found.notes)
    prepare(record, found.folder, tmp_path / "shards", [SIDE])
    subset = open_subset(tmp_path / "shards", record.subset_names[0], SIDE)
    pixels = np.sort(subset.images[0, ..., 0].ravel())
    assert np.abs(pixels.astype(int) - np.arange(256)).max() <= (1 if factor == 16 else 0)


def test_small_masks_and_grey_ones_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mask = square(SIDE // 2)
    mask.putpixel((0, 0), 40)
    notes = added(tmp_path, monkeypatch, 1, mask).notes
    assert notes[0].startswith("1 mask of another size than the image, but of its shape")
    assert notes[1].startswith("1 mask with grey values: above 0 they mark 25% more")
    assert "`mask_above: 127`" in notes[1]


def test_a_turned_mask_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mask = square(SIDE).resize((SIDE, SIDE * 2))
    with pytest.raises(DataError, match=r"bad\.png: 16 x 32 pixels, while its image images/bad"):
        added(tmp_path, monkeypatch, 1, mask)
    assert not (tmp_path / "data-own").exists()


def inverted(mask: Image.Image) -> Image.Image:
    return mask.point(lambda value: 255 - value)


def test_inverted_masks_are_refused_and_the_advice_leads_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DataError, match="photos: 1 of 1 mask mark more than half of the image and its edge"):
        added(tmp_path, monkeypatch, 1, inverted(square(SIDE)))
    photos = tmp_path / "photos"
    (photos / "list.csv").write_text(
        "image,label,mask\nimages/good.png,ok,\nimages/bad.png,nok,masks/bad.png\n"
    )
    (photos / "masks/good.png").unlink()
    notes = add_dataset(photos, "listed").notes
    assert notes[0].startswith("1 of 1 mask mark more than half of the image")
    (photos / "list.csv").unlink()
    Image.new("L", (SIDE, SIDE)).save(photos / "masks/good.png")
    inverted(Image.open(photos / "masks/bad.png")).save(photos / "masks/bad.png")
    assert add_dataset(photos, "widgets").notes == ()


def test_large_defects_are_not_taken_for_inverted_masks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that leaves the edge free, and one that is all of the image."""
    large = np.zeros((SIDE, SIDE), np.uint8)
    large[1:-1, 1:-1] = 255
    assert "mark more than half" in added(tmp_path, monkeypatch, 1, Image.fromarray(large)).notes[0]
    whole = Image.new("L", (SIDE, SIDE), 255)
    whole.save(tmp_path / "photos/masks/bad.png")
    assert "mark more than half" in add_dataset(tmp_path / "photos", "whole").notes[0]


def tagged(path: Path, orientation: int) -> None:
    tag = Image.Exif()
    tag[274] = orientation
    Image.open(path).save(path, exif=tag)


@pytest.mark.parametrize("orientation", range(2, 9))
def test_a_mask_of_an_image_that_may_be_turned_is_refused(
    orientation: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A square one has one shape either way; where the mask is tagged likewise, both are as stored."""
    monkeypatch.chdir(tmp_path)
    draw(tmp_path / "photos", 1, square(SIDE))
    tagged(tmp_path / "photos/images/bad.png", orientation)
    with pytest.raises(DataError, match=r"images/bad\.png: an orientation tag, .* or take the tag away"):
        add_dataset(tmp_path / "photos", "widgets")
    tagged(tmp_path / "photos/masks/bad.png", orientation)
    notes = add_dataset(tmp_path / "photos", "widgets").notes
    assert notes[0].startswith("1 image with an orientation tag, which is not applied")
    tagged(tmp_path / "photos/images/bad.png", 1)
    tagged(tmp_path / "photos/masks/bad.png", 1)
    assert add_dataset(tmp_path / "photos", "upright").notes == ()
    tagged(tmp_path / "photos/images/bad.png", 0)  # as some cameras write it
    assert add_dataset(tmp_path / "photos", "untold").notes == ()


def test_a_quarter_turn_is_seen_by_the_shape(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    draw(tmp_path / "photos", 1, square(SIDE).resize((SIDE, 2 * SIDE)))
    for name in ("good", "bad"):
        path = tmp_path / f"photos/images/{name}.png"
        Image.open(path).resize((SIDE, 2 * SIDE)).save(path)
    tagged(tmp_path / "photos/images/bad.png", 6)
    assert "orientation tag, which is not applied" in add_dataset(tmp_path / "photos", "widgets").notes[0]


def test_labels_between_0_and_1_are_said_and_the_line_can_be_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in ELPV, where experts were not sure."""
    monkeypatch.chdir(tmp_path)
    degrees = ("0.0", "0.3333333333333333", "0.6666666666666666", "1.0")
    for number, _ in enumerate(degrees):
        photo(tmp_path / f"photos/{number}.png")
    rows = [f"{number}.png  {degree}  mono" for number, degree in enumerate(degrees)]
    (tmp_path / "photos/labels.csv").write_text("\n".join(rows))
    found = add_dataset(tmp_path / "photos", "cells")
    assert found.guess.listing.counts() == {"cells": (1, 3)}
    told = "labels are degrees: above 0 is anomalous (1 of 0.333333, 1 of 0.666667, 1 of 1)"
    assert found.notes[0].startswith(told)
    record = found.record_path.read_text()
    for old, new in (
        ("above: 0.0", "above: 0.5"),
        ("normal: 1\n", "normal: 2\n"),
        ("anomalous: 3", "anomalous: 2"),
    ):
        assert old in record
        record = record.replace(old, new)
    found.record_path.write_text(record)
    moved = registry.record("cells")
    listing = list_samples(moved, found.folder)
    assert listing.counts() == {"cells": (2, 2)}
    assert count_problems(moved, listing.counts(), moved.expected()) == {}


def test_equal_images_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for path in ("good/0.png", "good/1.png", "bad/2.png"):
        photo(tmp_path / "photos" / path)
    shutil.copy(tmp_path / "photos/good/0.png", tmp_path / "photos/bad/3.png")
    (note,) = add_dataset(tmp_path / "photos", "widgets").notes
    assert note.startswith(
        "1 image there more than once, 1 of them both as normal and as anomalous, such as "
    )
    assert "bad/3.png" in note
