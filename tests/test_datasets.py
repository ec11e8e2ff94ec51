import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from pipeline import catalog
from pipeline.datasets import add_dataset
from pipeline.errors import DataError
from pipeline.shards import prepare
from tests.catalog import own, trees


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_record_and_files_are_in_their_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    photos = tmp_path / "photos"
    trees.btad(photos)
    before = names(photos)
    added = add_dataset(photos, "widgets")
    assert added.record_path == Path("datasets/widgets.yaml")
    assert names(Path("data-own/widgets")) == before == names(photos)
    assert catalog.record("widgets") == added.guess.record
    assert catalog.own_names() == ("widgets",)
    found = catalog.list_samples(catalog.record("widgets"), added.folder)
    assert found.counts() == {"01": (2, 2), "02": (2, 2), "03": (2, 2)}
    shutil.rmtree(photos)
    assert all(path.stat().st_size for path in Path("data-own/widgets").rglob("*.bmp"))


def test_a_name_that_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    trees.endo(tmp_path / "photos")
    with pytest.raises(DataError, match="endo: there is a data set of this name; choose another with --name"):
        add_dataset(tmp_path / "photos", "endo")
    with pytest.raises(DataError, match="chest: there is a data set of this name"):  # an alias of covid19
        add_dataset(tmp_path / "photos", "chest")
    add_dataset(tmp_path / "photos", "mine")
    with pytest.raises(DataError, match="mine: there is a data set of this name"):
        add_dataset(tmp_path / "photos", "mine")


def test_a_place_that_is_taken_is_said_before_any_image_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    trees.endo(tmp_path / "photos")
    added = add_dataset(tmp_path / "photos", "mine")
    added.record_path.unlink()
    capsys.readouterr()
    with pytest.raises(DataError, match="data-own/mine: already there; move it away first"):
        add_dataset(tmp_path / "photos", "mine")
    assert capsys.readouterr().out == ""


def test_nothing_is_written_for_a_folder_that_is_not_understood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    trees.picture(tmp_path / "photos/a.png")
    with pytest.raises(DataError, match="not the layout of a data set"):
        add_dataset(tmp_path / "photos", "mine")
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:200])


def emptied(path: Path) -> None:
    Image.new("L", (12, 9)).save(path)


@pytest.mark.parametrize(
    ("change", "file", "message"),
    [
        (cut_off, "test/hole/001.png", r"test/hole/001\.png: damaged"),
        (emptied, "ground_truth/hole/001.png", r"001\.png: the mask of an anomalous image is empty"),
        (
            lambda path: path.write_text("text"),
            "test/good/000.png",
            "000.png: not an image of a known format",
        ),
    ],
)
def test_what_prepare_would_refuse_is_not_added(
    change: Callable[[Path], object], file: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    own.good_and_holes(tmp_path / "photos")
    own.masks(tmp_path / "photos/ground_truth/hole", "{}.png")
    change(tmp_path / "photos" / file)
    with pytest.raises(DataError, match=message) as caught:
        add_dataset(tmp_path / "photos", "mine")
    assert str(caught.value).endswith("; put it right, or move these files away")
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_add_and_prepare_agree_on_large_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    own.good_and_holes(tmp_path / "photos")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(DataError, match=r"108 pixels, .* ZSAD_MAX_PIXELS=108"):
        add_dataset(tmp_path / "photos", "mine")
    monkeypatch.setenv("ZSAD_MAX_PIXELS", "108")
    added = add_dataset(tmp_path / "photos", "mine")
    assert prepare(added.guess.record, added.folder, tmp_path / "out", [14]).errors == {}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("name: mine", "name: other", "'other' differs from the name of the file"),
        ("domain: own", "domain: medical", "must be `own`"),
        ("title: mine", "title: [", "cannot be read as YAML"),
        ("title: mine", "titel: mine", "datasets/mine.yaml, title"),
    ],
)
def test_a_record_edited_badly(
    old: str, new: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    trees.endo(tmp_path / "photos")
    path = add_dataset(tmp_path / "photos", "mine").record_path
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(DataError, match=message):
        catalog.record("mine")
