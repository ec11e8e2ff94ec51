"""A set of one's own in 16 bits, with grey masks and small ones, gives what its plain twin gives."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.datasets import Added, add_dataset
from pipeline.errors import DataError
from pipeline.shards import open_subset, prepare

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


def test_inverted_masks_and_turned_images_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    draw(tmp_path / "photos", 1, square(SIDE).point(lambda value: 255 - value))
    path = tmp_path / "photos/images/bad.png"
    turned = Image.Exif()
    turned[274] = 3
    Image.open(path).save(path, exif=turned)
    notes = add_dataset(tmp_path / "photos", "widgets").notes
    assert notes[0].startswith("1 image with an orientation tag, which is not applied")
    assert notes[1].startswith("1 of 1 mask mark more than half of the image")
