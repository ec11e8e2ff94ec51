import csv
import os
import shutil
from pathlib import Path, PurePosixPath

import pytest

from pipeline.catalog import ANOMALOUS, NORMAL, Listing, Sample, auxiliary_names, list_samples, names, record
from pipeline.catalog.layouts import kolektor
from pipeline.conformance import DATASET_CHECKS, ReadDataset
from pipeline.errors import DataError

from . import trees

EVERY = (*names(), *auxiliary_names())


def listed(name: str, root: Path) -> Listing:
    return list_samples(record(name), root)


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


class TestVisa:
    def rewrite(self, root: Path, column: str, old: str, new: str) -> Listing:
        trees.visa(root)
        path = root / "split_csv/1cls.csv"
        rows = list(csv.DictReader(path.open()))
        for row in rows:
            if row[column] == old:
                row[column] = new
        with path.open("w", newline="") as handle:
            writer = csv.DictWriter(handle, fieldnames=list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        return listed("visa", root)

    @pytest.mark.parametrize(
        "bad", ["../secret.JPG", "/etc/passwd", "candle/../candle/Data/Images/Normal/0002.JPG"]
    )
    def test_paths_that_leave_are_refused(self, bad: str, tmp_path: Path) -> None:
        trees.picture(tmp_path / "secret.JPG")
        listing = self.rewrite(tmp_path / "visa", "image", "candle/Data/Images/Normal/0002.JPG", bad)
        assert set(listing.problems) == {"candle"}
        assert "1cls.csv, line 4" in listing.problems["candle"]

    def test_unknown_label(self, tmp_path: Path) -> None:
        listing = self.rewrite(tmp_path, "label", "anomaly", "odd")
        assert "neither normal nor anomaly" in listing.problems["pcb1"]

    def test_anomaly_without_mask(self, tmp_path: Path) -> None:
        listing = self.rewrite(tmp_path, "mask", "pcb2/Data/Masks/Anomaly/001.png", "")
        assert set(listing.problems) == {"pcb2"}
        assert "001.JPG" in listing.problems["pcb2"]

    @pytest.mark.parametrize(
        "content", ["", "object,split,label,image\n", "object,split,label,image,mask\na,b\n"]
    )
    def test_broken_split_file(self, content: str, tmp_path: Path) -> None:
        trees.visa(tmp_path)
        (tmp_path / "split_csv/1cls.csv").write_text(content)
        problems = listed("visa", tmp_path).problems
        assert set(problems) == set(record("visa").subset_names)
        assert all("split_csv/1cls.csv" in message for message in problems.values())


class TestHeadCt:
    def test_one_folder_level(self, tmp_path: Path) -> None:
        expected = trees.headct(tmp_path)
        shutil.move(tmp_path / "head_ct/head_ct", tmp_path / "inner")
        (tmp_path / "head_ct").rmdir()
        (tmp_path / "inner").rename(tmp_path / "head_ct")
        assert listed("headct", tmp_path).counts() == expected

    def test_rearranged_copy_of_the_authors(self, tmp_path: Path) -> None:
        trees.picture(tmp_path / "brain/test/good/100.png")
        trees.picture(tmp_path / "brain/test/hemorrhage/000.png")
        trees.picture(tmp_path / "brain/test/hemorrhage/001.png")
        listing = listed("headct", tmp_path)
        assert listing.counts() == {"brain": (1, 2)}
        assert listing.problems == {}

    @pytest.mark.parametrize(
        ("lines", "message"),
        [
            ("0,2\n", "line 2"),
            ("0,1\n0,0\n", "occurs twice"),
            ("9,1\n", "0 images with number 9"),
            ("x\n", "line 2"),
        ],
    )
    def test_broken_labels(self, lines: str, message: str, tmp_path: Path) -> None:
        trees.headct(tmp_path)
        (tmp_path / "labels.csv").write_text("id, hemorrhage\n" + lines)
        assert message in listed("headct", tmp_path).problems["brain"]


class TestDagm:
    def test_label_named_but_missing(self, tmp_path: Path) -> None:
        trees.dagm(tmp_path)
        (tmp_path / "DAGM_KaggleUpload/Class2/Test/Label/0003_label.PNG").unlink()
        problems = listed("dagm", tmp_path).problems
        assert set(problems) == {"Class2"}
        assert "Class2/Test/Label/0003_label.PNG" in problems["Class2"]

    def test_copy_beside_the_classes(self, tmp_path: Path) -> None:
        expected = trees.dagm(tmp_path)
        for folder in (tmp_path / "DAGM_KaggleUpload").iterdir():
            if folder.name.startswith("Class"):
                shutil.move(folder, tmp_path / folder.name)
        listing = listed("dagm", tmp_path)
        assert (listing.base, listing.counts()) == ("", expected)


class TestKolektor:
    def pieces(self, root: Path) -> dict[str, int]:
        return {sample.name: sample.label for sample in listed("sdd", root).samples}

    def test_pieces_and_their_labels(self, tmp_path: Path) -> None:
        trees.sdd(tmp_path)
        anomalous = {name for name, label in self.pieces(tmp_path).items() if label == ANOMALOUS}
        assert anomalous == {
            "kos01/Part0.jpg#0,0,10,10",
            "kos01/Part0.jpg#0,10,10,20",
            "kos03/Part1.jpg#0,20,10,31",
        }

    def test_draw_does_not_depend_on_directory_order(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        trees.sdd(tmp_path)
        first = self.pieces(tmp_path)
        scan = os.scandir

        def backwards(path: str) -> list[os.DirEntry[str]]:
            return list(scan(path))[::-1]

        monkeypatch.setattr("pipeline.catalog.tree.os.scandir", backwards)
        assert self.pieces(tmp_path) == first

    def test_draw_is_the_one_of_the_script(self) -> None:
        from sklearn.model_selection import train_test_split

        normal = [Sample("s", f"{number}", None, NORMAL, "good") for number in range(1143)]
        _, kept = train_test_split(list(range(1143)), test_size=0.25, random_state=42)
        drawn = [int(sample.image) for sample in kolektor.draw(normal)]
        assert drawn == kept
        assert len(drawn) == 286

    def test_missing_mask(self, tmp_path: Path) -> None:
        trees.sdd(tmp_path)
        (tmp_path / "kos02/Part1_label.bmp").unlink()
        assert (
            "kos02/Part1.jpg: no mask Part1_label"
            in listed("sdd", tmp_path).problems["electrical commutators"]
        )

    def test_damaged_mask(self, tmp_path: Path) -> None:
        trees.sdd(tmp_path)
        (tmp_path / "kos02/Part1_label.bmp").write_bytes(b"BM")
        assert "kos02/Part1_label.bmp" in listed("sdd", tmp_path).problems["electrical commutators"]


class TestColonAuxiliary:
    def test_polyps_have_masks_and_normal_classes_none(self, tmp_path: Path) -> None:
        trees.colon_auxiliary(tmp_path)
        found = {
            sample.image: (sample.label, sample.mask)
            for sample in listed("colon_auxiliary", tmp_path).samples
        }
        assert found["CVC-ColonDB/images/10.png"] == (ANOMALOUS, "CVC-ColonDB/masks/10.png")
        assert found["EndoTect_2020_Test_Dataset/upper/normal-z-line/0c1d.JPG"] == (NORMAL, None)

    def test_images_that_are_not_sorted_by_class(self, tmp_path: Path) -> None:
        trees.colon_auxiliary(tmp_path)
        home = tmp_path / "EndoTect_2020_Test_Dataset"
        shutil.move(home / "normal-pylorus/003ab8b5.jpg", home / "003ab8b5.jpg")
        message = listed("colon_auxiliary", tmp_path).problems["colon"]
        assert "EndoTect_2020_Test_Dataset: needs one folder normal-pylorus" in message

    def test_a_class_that_is_there_twice(self, tmp_path: Path) -> None:
        trees.colon_auxiliary(tmp_path)
        trees.picture(tmp_path / "EndoTect_2020_Test_Dataset/lower/normal-cecum/1b2f.jpg")
        assert "one folder normal-cecum" in listed("colon_auxiliary", tmp_path).problems["colon"]

    def test_a_lost_mask(self, tmp_path: Path) -> None:
        trees.colon_auxiliary(tmp_path)
        (tmp_path / "CVC-ColonDB/masks/10.png").unlink()
        assert "CVC-ColonDB/images/10.png" in listed("colon_auxiliary", tmp_path).problems["colon"]


class TestHostileTrees:
    def test_links_that_leave_are_refused(self, tmp_path: Path) -> None:
        root = tmp_path / "mvtec"
        trees.mvtec(root)
        outside = trees.picture(tmp_path / "outside.png")
        (root / "bottle/test/good/009.png").symlink_to(outside)
        (root / "pill/test/good").rename(tmp_path / "elsewhere")
        (root / "pill/test/good").symlink_to(tmp_path / "elsewhere")
        listing = listed("mvtec", root)
        assert set(listing.problems) == {"bottle", "pill"}
        assert "bottle/test/good/009.png: a link that leads out" in listing.problems["bottle"]
        assert any(entry.path == "pill/test/good" for entry in listing.ignored)

    def test_a_link_inside_is_fine(self, tmp_path: Path) -> None:
        trees.mvtec(tmp_path)
        target = tmp_path / "bottle/test/good/000.png"
        (tmp_path / "bottle/test/good/009.png").symlink_to(target)
        listing = listed("mvtec", tmp_path)
        assert listing.problems == {}
        assert listing.counts()["bottle"] == (4, 4)

    def test_a_loop_of_links_ends(self, tmp_path: Path) -> None:
        trees.br35h(tmp_path)
        (tmp_path / "no/again").symlink_to(tmp_path)
        assert "no/again: a link to a folder" in listed("br35h", tmp_path).problems["brain"]

    @pytest.mark.parametrize("name", ["new\nline.png", "back\\slash.png", "\udcff.png"])
    def test_unsafe_names_are_refused(self, name: str, tmp_path: Path) -> None:
        trees.br35h(tmp_path)
        (tmp_path / "no" / name).write_bytes((tmp_path / "no/no0.jpg").read_bytes())
        message = listed("br35h", tmp_path).problems["brain"]
        assert "not safe in a path" in message
        assert message.isprintable()
