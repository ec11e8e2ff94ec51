"""Reference images: which are drawn, that fewer are the first of more, and that nothing else moves."""

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest

from pipeline.catalog import list_samples, record
from pipeline.errors import DataError
from pipeline.shards import SubsetEntry, open_references, read_manifest
from pipeline.shards.references import SEED, drawn
from tests.project import ROOT

from .test_shards import BTAD, COUNTS, files, noise, prepared, root, save  # noqa: F401 - `root` is a fixture


def train(root: Path, count: int, subset: str = "02") -> list[str]:  # noqa: F811
    """So many normal training images; their names, in the order that the rule of the draw gives."""
    names = [f"{subset}/train/ok/{number:04d}.png" for number in range(count)]
    for number, name in enumerate(names):
        save(noise(50 + number, "RGB", (40, 30)), root / name)
    key = {it: f"{SEED}\x1fbtad\x1f{subset}\x1f{it}" for it in names}
    return sorted(names, key=lambda it: hashlib.sha256(key[it].encode()).hexdigest())


def entry(out: Path, subset: str = "02") -> SubsetEntry:
    return read_manifest(out).subset(subset)


def test_four_are_drawn_by_seed_and_name_and_kept_at_every_size(root: Path) -> None:  # noqa: F811
    names = train(root, 9)
    out = prepared(root, sizes=(28, 14))
    assert [it.image for it in entry(out).references] == names[:4]
    for size in (28, 14):
        images = open_references(out, "02", size, 4)
        assert images.shape == (4, size, size, 3)
        for name, image in zip(names, images, strict=False):
            number = int(Path(name).stem)
            picture = noise(50 + number, "RGB", (40, 30)).resize((size, size), 3)
            assert np.array_equal(image, np.asarray(picture))
        for count in (1, 2):
            assert np.array_equal(open_references(out, "02", size, count), images[:count])
    assert entry(out, "01").references == ()
    assert not [*(out / "01").glob("references-*")]


def test_a_wrapping_folder_and_other_files_move_no_draw(root: Path, tmp_path: Path) -> None:  # noqa: F811
    names = train(root, 9)
    wrapped = tmp_path / "elsewhere" / "archive"
    shutil.copytree(root, wrapped)
    listing = list_samples(BTAD, wrapped.parent)
    assert [it.image for it in drawn(listing, "02", "btad")] == [f"archive/{name}" for name in names[:4]]
    (root / names[-1]).unlink()
    assert [it.image for it in drawn(list_samples(BTAD, root), "02", "btad")] == names[:4]


def test_the_test_split_is_the_same_with_and_without_them(root: Path) -> None:  # noqa: F811
    without = prepared(root, name="without")
    train(root, 5)
    beside = prepared(root, name="beside")
    assert (beside / "02/references-28.npy").is_file()
    told, other = (
        {path: digest for path, digest in files(out).items() if path.endswith(("images-28.npy", ".parquet"))}
        for out in (without, beside)
    )
    assert told == other
    before, after = read_manifest(without), read_manifest(beside)
    assert before.build == after.build
    assert [it.digests for it in before.subsets] == [it.digests for it in after.subsets]


def test_a_broken_reference_is_said_and_leaves_the_test_split_alone(root: Path) -> None:  # noqa: F811
    names = train(root, 4)
    (root / names[2]).write_bytes(b"no picture")
    told = entry(prepared(root))
    assert told.error is None
    assert told.digests
    assert told.references == ()
    assert told.references_error is not None
    assert names[2] in told.references_error


def test_what_was_prepared_before_is_removed(root: Path) -> None:  # noqa: F811
    train(root, 2)
    out = prepared(root)
    assert (out / "02/references-28.npy").is_file()
    shutil.rmtree(root / "02/train")
    assert entry(prepared(root)).references == ()
    assert not (out / "02/references-28.npy").exists()


@pytest.mark.parametrize("damage", ["flipped", "short", "gone", "more"])
def test_references_that_are_not_what_was_prepared_are_refused(root: Path, damage: str) -> None:  # noqa: F811
    train(root, 3)
    out = prepared(root)
    path = out / "02/references-28.npy"
    content = bytearray(path.read_bytes())
    if damage == "gone":
        path.unlink()
    elif damage != "more":
        content[-1] ^= 1
        path.write_bytes(content if damage == "flipped" else content[:-9])
    with pytest.raises(DataError, match=r"prepare"):
        open_references(out, "02", 28, 4 if damage == "more" else 3)


def test_an_untouched_image_is_read_beside_a_flipped_one(root: Path) -> None:  # noqa: F811
    train(root, 3)
    out = prepared(root)
    path = out / "02/references-28.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert len(open_references(out, "02", 28, 2)) == 2


@pytest.mark.parametrize(
    ("dataset", "wanted"),
    [
        ("mvtec", "{subset}/train/good/"),
        ("visa", "{subset}/Data/Images/Normal/"),
        ("mpdd", "MPDD/{subset}/train/good/"),
        ("btad", "BTech_Dataset_transformed/{subset}/train/ok/"),
        ("dagm", "DAGM_KaggleUpload/{subset}/Train/"),
        ("dtd_synthetic", "DTD-Synthetic/{subset}/train/good/"),
        ("real_iad", "realiad_1024/{subset}/OK/"),
        ("mvtec_ad_2", "{subset}/train/good/"),
        ("bmad_brain", "Brain/train/good/"),
        ("bmad_chest", "Chest/train/good/"),
    ],
)
def test_published_layouts_name_their_normal_training_images(dataset: str, wanted: str) -> None:
    known = record(dataset)
    listing = list_samples(known, ROOT / "samples" / dataset)
    tested = {sample.image for sample in listing.samples}
    for subset in known.subset_names:
        names = [it.image for it in listing.references if it.subset == subset]
        assert len(names) == 4
        assert all(name.startswith(wanted.format(subset=subset)) for name in names)
        assert not tested & set(names)
    assert {(it.label, it.defect, it.mask) for it in listing.references} == {(0, "good", None)}


@pytest.mark.parametrize("dataset", ["sdd", "headct", "brainmri", "isic", "tn3k", "br35h", "elpv"])
def test_a_set_without_normal_training_images_has_no_references(dataset: str) -> None:
    """TN3K and ISIC publish training parts, in which every image shows a lesion."""
    assert list_samples(record(dataset), ROOT / "samples" / dataset).references == ()


def test_a_defect_of_dagms_training_part_is_no_reference(tmp_path: Path) -> None:
    """Neither one whose label image is there, nor one that the table names and whose label image is lost."""
    home = tmp_path / "dagm"
    shutil.copytree(ROOT / "samples/dagm/DAGM_KaggleUpload/Class1", home / "Class1")
    known = record("dagm")
    before = {it.image for it in list_samples(known, home).references}
    (label,) = (home / "Class1/Train/Label").glob("*_label.PNG")
    defect = f"Class1/Train/{label.name.replace('_label', '')}"
    assert len(before) == 4
    assert defect not in before
    label.unlink()
    assert {it.image for it in list_samples(known, home).references} == before


def test_visa_takes_normal_rows_of_its_training_split_that_are_there(tmp_path: Path) -> None:
    home = tmp_path / "visa"
    shutil.copytree(ROOT / "samples/visa/candle", home / "candle")
    shutil.copytree(ROOT / "samples/visa/split_csv", home / "split_csv")
    known = record("visa")
    images = [it.image for it in list_samples(known, home).references]
    anomaly = next((home / "candle/Data/Images/Anomaly").iterdir()).relative_to(home).as_posix()
    with (home / "split_csv/1cls.csv").open("a") as table:
        table.write(f"candle,train,anomaly,{anomaly},\n")
        table.write("candle,train,normal,../../somewhere.JPG,\n")
        table.write(f"stranger,train,normal,{images[0]},\n")
    (home / images[0]).unlink()
    assert [it.image for it in list_samples(known, home).references] == images[1:]
