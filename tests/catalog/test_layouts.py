"""What every layout has to do: the published tree, its quirks, and what is missing or there twice."""

import shutil
from pathlib import Path, PurePosixPath

import pytest

from pipeline.catalog import Listing, auxiliary_names, names, record
from pipeline.conformance import DATASET_CHECKS, ReadDataset
from pipeline.errors import DataError

from . import trees
from .trees import listed

EVERY = (*names(), *auxiliary_names())


@pytest.mark.parametrize("name", EVERY)
def test_published_layout(name: str, tmp_path: Path) -> None:
    expected = trees.PUBLISHED[name](tmp_path)
    listing = listed(name, tmp_path)
    assert listing.problems == {}
    assert listing.counts() == expected
    check_account(name, listing, tmp_path)


@pytest.mark.parametrize("copy", trees.OTHER_COPIES)
def test_other_published_copies(copy: str, tmp_path: Path) -> None:
    name, build = trees.OTHER_COPIES[copy]
    expected = build(tmp_path)
    listing = listed(name, tmp_path)
    assert listing.problems == {}
    assert listing.counts() == expected
    check_account(name, listing, tmp_path)


@pytest.mark.parametrize("name", EVERY)
def test_a_wrapping_folder_changes_nothing(name: str, tmp_path: Path) -> None:
    trees.PUBLISHED[name](tmp_path / "plain")
    trees.PUBLISHED[name](tmp_path / "wrapped" / "some folder")
    plain, wrapped = listed(name, tmp_path / "plain"), listed(name, tmp_path / "wrapped")
    assert [sample.name for sample in wrapped.samples] == [
        f"some folder/{sample.name}" for sample in plain.samples
    ]


def check_account(name: str, listing: Listing, root: Path) -> None:
    """Every file on disk is used once or ignored with a reason, and masks belong to their images."""
    used = {path for sample in listing.samples for path in (sample.image, sample.mask) if path}
    on_disk = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
    consulted = {
        path for path in on_disk if PurePosixPath(path).name in {"1cls.csv", "labels.csv", "Labels.txt"}
    }
    left = len(on_disk - used - consulted)
    assert left <= sum(entry.files for entry in listing.ignored) <= left + len(consulted)
    for sample in listing.samples:
        if sample.mask is not None:
            assert PurePosixPath(sample.mask).stem.startswith(PurePosixPath(sample.image).stem)
    for check in DATASET_CHECKS:
        check(ReadDataset(record(name), root, listing))


def test_reasons_are_specific(tmp_path: Path) -> None:
    def reasons(name: str) -> dict[str, str]:
        trees.PUBLISHED[name](tmp_path / name)
        return {entry.path: entry.reason for entry in listed(name, tmp_path / name).ignored}

    assert "training" in reasons("mvtec")["bottle/train/good/000.png"]
    assert reasons("mvtec")["readme.txt"] == "not an image"
    assert reasons("br35h")["pred/"] == "unlabelled images"
    assert "another disease" in reasons("covid19")["COVID-19 Radiography Database/Viral Pneumonia/"]
    assert "second copy" in reasons("dagm")["DAGM_KaggleUpload/DAGM_KaggleUpload/"]
    assert "outside" in reasons("brainmri")["yes/"]
    assert "1cls.csv" in reasons("visa")["candle/Data/Images/Normal/*"]
    assert "training" in reasons("tn3k")["Thyroid Dataset/tn3k/trainval-mask/"]
    assert "beyond doubt" in reasons("colon_auxiliary")["EndoTect_2020_Test_Dataset/polyp/5f00.jpg"]


def test_litter_is_not_data(tmp_path: Path) -> None:
    expected = trees.brainmri(tmp_path)
    trees.picture(tmp_path / "__MACOSX/brain_tumor_dataset/no/no.jpg")
    trees.text(tmp_path / "brain_tumor_dataset/no/.DS_Store", "x")
    listing = listed("brainmri", tmp_path)
    assert listing.counts() == expected
    assert {"__MACOSX", "brain_tumor_dataset/no/.DS_Store"} <= {entry.path for entry in listing.ignored}


def test_pairs_by_name_not_by_position(tmp_path: Path) -> None:
    trees.mvtec(tmp_path)
    (tmp_path / "bottle/ground_truth/crack/000_mask.png").rename(
        tmp_path / "bottle/ground_truth/crack/007_mask.png"
    )
    listing = listed("mvtec", tmp_path)
    assert set(listing.problems) == {"bottle"}
    assert "bottle/test/crack/000.png" in listing.problems["bottle"]
    assert "bottle/test/crack/001.png" not in listing.problems["bottle"]
    assert listing.of("bottle") == ()
    assert listing.counts()["cable"] == (3, 4)


def test_missing_subset_folder(tmp_path: Path) -> None:
    trees.mvtec(tmp_path)
    shutil.rmtree(tmp_path / "cable")
    shutil.rmtree(tmp_path / "pill/test/good")
    problems = listed("mvtec", tmp_path).problems
    assert set(problems) == {"cable", "pill"}
    assert problems["cable"].startswith("mvtec/cable: cable/test: no such folder")
    assert "pill/test/good" in problems["pill"]


@pytest.mark.parametrize(
    ("name", "folder", "named"),
    [
        ("br35h", "yes", "yes"),
        ("isic", "ISBI2016_ISIC_Part1_Test_GroundTruth", "GroundTruth"),
        ("dagm", "DAGM_KaggleUpload", "DAGM"),
        ("dagm", "DAGM_KaggleUpload/Class3/Test/Label", "Label"),
        ("headct", "head_ct", "head_ct"),
        ("visa", "split_csv", "split_csv/1cls.csv"),
        ("tn3k", "Thyroid Dataset/tn3k/test-image", "test-image"),
        ("sdd", "kos01", ""),
        ("colon_auxiliary", "CVC-ColonDB/masks", "CVC-ColonDB/masks"),
        ("colon_auxiliary", "EndoTect_2020_Test_Dataset", "EndoTect_2020_Test_Dataset"),
    ],
)
def test_missing_folders_are_named(name: str, folder: str, named: str, tmp_path: Path) -> None:
    trees.PUBLISHED[name](tmp_path)
    shutil.rmtree(tmp_path / folder)
    if name == "dagm" and folder.endswith("Label"):
        shutil.rmtree(tmp_path / "DAGM_KaggleUpload/DAGM_KaggleUpload")
    listing = listed(name, tmp_path)
    if name == "sdd":
        assert listing.counts() == {"electrical commutators": (3, 1)}  # 12 pieces, 11 normal: counts tell
        return
    messages = list(listing.problems.values())
    assert messages
    assert all(named in message or "looks like" in message for message in messages)


def test_nothing_that_looks_like_the_data_set(tmp_path: Path) -> None:
    trees.picture(tmp_path / "holiday/beach.jpg")
    listing = listed("btad", tmp_path)
    assert set(listing.problems) == {"01", "02", "03"}
    assert listing.samples == ()
    assert [entry.path for entry in listing.ignored] == ["holiday/beach.jpg"]


def test_missing_root_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        listed("btad", tmp_path / "nowhere")


def test_two_copies_side_by_side_are_refused(tmp_path: Path) -> None:
    trees.cvc_clinicdb(tmp_path / "a")
    shutil.move(tmp_path / "a/CVC-ClinicDB", tmp_path / "first")
    shutil.copytree(tmp_path / "first", tmp_path / "second")
    (tmp_path / "a").rmdir()
    message = listed("cvc_clinicdb", tmp_path).problems["colon"]
    assert "more than once (first, second)" in message


def test_two_masks_of_one_image(tmp_path: Path) -> None:
    trees.btad(tmp_path)
    home = tmp_path / "BTech_Dataset_transformed/03"
    trees.mask(home / "ground_truth/ko/0001.png")  # a converted copy beside the published bmp
    assert "0001.bmp" in listed("btad", tmp_path).problems["03"]


def test_one_mask_of_two_images(tmp_path: Path) -> None:
    trees.btad(tmp_path)
    trees.picture(tmp_path / "BTech_Dataset_transformed/01/test/ko/0001.png")
    problems = listed("btad", tmp_path).problems
    assert set(problems) == {"01"}
    assert "0001.bmp, " in problems["01"]
    assert "0001.png" in problems["01"]


def test_btad_suffixes(tmp_path: Path) -> None:
    trees.btad(tmp_path)
    pairs = {
        (sample.subset, PurePosixPath(sample.image).suffix, PurePosixPath(sample.mask).suffix)
        for sample in listed("btad", tmp_path).samples
        if sample.mask
    }
    assert pairs == {("01", ".bmp", ".png"), ("02", ".png", ".png"), ("03", ".bmp", ".bmp")}


def test_a_set_without_masks_has_none(tmp_path: Path) -> None:
    for name in ("headct", "brainmri", "br35h", "covid19"):
        trees.PUBLISHED[name](tmp_path / name)
        assert all(sample.mask is None for sample in listed(name, tmp_path / name).samples)


def test_all_images_of_one_label(tmp_path: Path) -> None:
    trees.br35h(tmp_path)
    shutil.rmtree(tmp_path / "yes")
    (tmp_path / "yes").mkdir()
    assert "one label" in listed("br35h", tmp_path).problems["brain"]
