"""The committed samples: the generator's bytes, readable by the catalog, with the publishers' conventions."""

import csv
import re
import uuid
import zipfile
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from PIL import Image

from pipeline import catalog
from pipeline.files import file_digest
from pipeline.miniature.datasets import __main__ as command
from pipeline.miniature.datasets import expected_counts, write_dataset
from pipeline.miniature.datasets.generate import COUNTS_PATH, write_counts
from pipeline.miniature.datasets.layouts.industrial import ellipse_around
from pipeline.miniature.datasets.specification import specification

SAMPLES = Path(__file__).parents[2] / "samples"


def digests(root: Path) -> dict[str, str]:
    return {str(path.relative_to(root)): file_digest(path) for path in root.rglob("*") if path.is_file()}


def grey(path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    with Image.open(path) as image:
        assert image.mode == "L", path
        return np.asarray(image)


def mode(path: Path) -> str:
    with Image.open(path) as image:
        return image.mode


@pytest.mark.parametrize("name", specification())
def test_drawing_again_gives_the_committed_bytes(name: str, tmp_path: Path) -> None:
    counts = write_dataset(name, tmp_path)
    assert digests(tmp_path / name) == digests(SAMPLES / name)
    assert counts == expected_counts()[name]


def test_the_committed_counts_are_those_that_are_written(tmp_path: Path) -> None:
    write_counts(expected_counts(), tmp_path / "counts.yaml")
    assert (tmp_path / "counts.yaml").read_bytes() == COUNTS_PATH.read_bytes()


def test_another_seed_draws_another_data_set_of_the_same_layout(tmp_path: Path) -> None:
    write_dataset("headct", tmp_path, seed=1)
    drawn, committed = digests(tmp_path / "headct"), digests(SAMPLES / "headct")
    assert set(drawn) == set(committed)
    assert all(drawn[path] != committed[path] for path in drawn if path.endswith(".png"))


@pytest.mark.parametrize("name", catalog.shipped_names())
def test_the_catalog_reads_what_was_drawn(name: str) -> None:
    listing = catalog.list_samples(catalog.record(name), SAMPLES / name)
    assert not listing.problems
    assert listing.counts() == expected_counts()[name]
    for sample in listing.samples:
        if sample.mask is None:
            continue
        mask = grey(SAMPLES / name / sample.mask)
        with Image.open(SAMPLES / name / sample.image) as image:
            assert image.size == mask.shape[::-1]
        left, top, right, bottom = sample.crop or (0, 0, mask.shape[1], mask.shape[0])
        assert mask[top:bottom, left:right].any() == bool(sample.label), sample.name


def test_the_samples_are_small() -> None:
    assert sum(path.stat().st_size for path in SAMPLES.rglob("*") if path.is_file()) < 25_000_000


def test_mvtec_has_three_single_channel_subsets_and_binary_masks() -> None:
    root = SAMPLES / "mvtec"
    for subset in expected_counts()["mvtec"]:
        wanted = "L" if subset in {"grid", "screw", "zipper"} else "RGB"
        assert {mode(path) for path in (root / subset).glob("t*/*/*.png")} == {wanted}
    for path in root.glob("*/ground_truth/*/*_mask.png"):
        assert set(np.unique(grey(path))) == {0, 255}


def test_visa_masks_are_class_ids_and_its_table_covers_every_image() -> None:
    root = SAMPLES / "visa"
    for path in root.glob("*/Data/Masks/Anomaly/*.png"):
        assert 1 <= grey(path).max() <= 9
    with (root / "split_csv" / "1cls.csv").open(newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    assert {row["image"] for row in rows} == {
        str(p.relative_to(root)) for p in root.glob("*/Data/Images/*/*.JPG")
    }
    assert all((row["label"] == "anomaly") == bool(row["mask"]) for row in rows)


def test_btad_mixes_suffixes() -> None:
    root = SAMPLES / "btad" / "BTech_Dataset_transformed"
    found = {
        subset: tuple(
            {path.suffix for path in (root / subset).glob(pattern)}
            for pattern in ("test/ko/*", "ground_truth/ko/*")
        )
        for subset in ("01", "02", "03")
    }
    assert found == {"01": ({".bmp"}, {".png"}), "02": ({".png"}, {".png"}), "03": ({".bmp"}, {".bmp"})}


def test_dagm_holds_everything_twice_and_labels_defects_only() -> None:
    outer = SAMPLES / "dagm" / "DAGM_KaggleUpload"
    inner = outer / "DAGM_KaggleUpload"
    again = digests(inner)
    first = {
        path: digest for path, digest in digests(outer).items() if not path.startswith("DAGM_KaggleUpload/")
    }
    assert first == again
    lines = (outer / "Class3" / "Test" / "Label" / "Labels.txt").read_text(encoding="utf-8").splitlines()[1:]
    marked = {line.split("\t")[4] for line in lines if line.split("\t")[1] == "1"}
    assert marked == {path.name for path in (outer / "Class3" / "Test" / "Label").glob("*.PNG")}


def test_an_ellipse_holds_its_defect_and_little_more() -> None:
    y, x = np.indices((80, 90))
    slanted = (np.abs(x - y - 5) < 3) & (x > 20) & (x < 60)
    ellipse = ellipse_around(slanted)
    assert ellipse[slanted].all()
    assert ellipse.sum() < 4 * slanted.sum()


def test_kolektor_images_are_tall_and_each_has_a_mask() -> None:
    images = sorted((SAMPLES / "sdd").glob("kos*/Part*.jpg"))
    for path in images:
        with Image.open(path) as image:
            assert image.mode == "L"
            assert image.height > 2 * image.width
        assert set(np.unique(grey(path.with_name(f"{path.stem}_label.bmp")))) <= {0, 255}
    assert len(list((SAMPLES / "sdd").glob("kos*/*_label.bmp"))) == len(images)


@pytest.mark.parametrize(
    ("name", "folder"), [("tn3k", "Thyroid Dataset/tn3k/test-mask"), ("endo", "*/masks")]
)
def test_jpeg_masks_hold_grey_values(name: str, folder: str) -> None:
    paths = list((SAMPLES / name).glob(f"{folder}/*.jpg"))
    assert paths
    for path in paths:
        levels = np.unique(grey(path))
        assert levels.size > 2
        assert levels.max() > 200


def test_names_are_those_of_the_publishers() -> None:
    kvasir = [path.stem for path in (SAMPLES / "kvasir" / "Kvasir" / "images").iterdir()]
    assert all(re.fullmatch(r"cju[0-9a-z]{22}", stem) for stem in kvasir)
    for path in SAMPLES.glob("endo/*/images/*"):
        assert str(uuid.UUID(path.stem)) == path.stem
    assert all(
        re.fullmatch(r"ISIC_\d{7}_Segmentation\.png", p.name) for p in SAMPLES.glob("isic/*GroundTruth/*")
    )
    assert {p.stem for p in SAMPLES.glob("cvc_colondb/CVC-ColonDB/images/*.png")} == {
        str(k) for k in range(1, 13)
    }


def test_the_auxiliary_set_holds_the_polyps_of_colondb_and_normal_classes() -> None:
    root = SAMPLES / "colon_auxiliary"
    assert digests(root / "CVC-ColonDB") == digests(SAMPLES / "cvc_colondb" / "CVC-ColonDB")
    classes = [path.parent.name for path in root.glob("EndoTect_2020_Test_Dataset/*/*.jpg")]
    assert Counter(classes) == {"normal-cecum": 4, "normal-pylorus": 4, "normal-z-line": 4, "polyp": 1}


def test_brainmri_is_there_twice_with_mixed_suffixes_and_modes() -> None:
    root = SAMPLES / "brainmri"
    for folder in ("no", "yes"):
        assert digests(root / folder) == digests(root / "brain_tumor_dataset" / folder)
    images = [path for folder in ("no", "yes") for path in (root / folder).iterdir()]
    assert {path.suffix for path in images} == {".jpg", ".JPG", ".jpeg", ".png"}
    assert {mode(path) for path in images} == {"L", "RGB"}


def test_the_spreadsheets_open() -> None:
    (path,) = SAMPLES.glob("covid19/*/NORMAL.metadata.xlsx")
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        sheet = ET.fromstring(archive.read("sheet.xml"))  # noqa: S314 - our own file
    cells = [cell.text for cell in sheet.iter() if cell.tag.endswith("}t")]
    assert cells[:3] == ["FILE NAME", "FORMAT", "SIZE"]
    assert "NORMAL (12)" in cells


def test_the_command_draws_what_it_is_asked_for(tmp_path: Path) -> None:
    assert command.main(["--out", str(tmp_path), "--only", "headct"]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["README.md", "headct"]
    assert (tmp_path / "README.md").read_bytes() == (SAMPLES / "README.md").read_bytes()


def test_the_command_names_an_unknown_data_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--out", str(tmp_path), "--only", "nothere"]) == 1
    assert "nothere" in capsys.readouterr().err
