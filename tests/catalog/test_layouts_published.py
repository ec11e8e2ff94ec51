"""The layouts that one data set alone has: their label files, and what may be wrong with them."""

import csv
import os
import shutil
from pathlib import Path

import pytest

from pipeline.catalog import ANOMALOUS, NORMAL, Listing, Sample, list_samples, record
from pipeline.catalog.layouts import surfaces

from . import trees
from .trees import listed

SDD = record("sdd")


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

    def test_a_line_that_is_there_twice(self, tmp_path: Path) -> None:
        trees.visa(tmp_path)
        path = tmp_path / "split_csv/1cls.csv"
        path.write_text(path.read_text() + path.read_text().splitlines()[3] + "\n")
        problems = listed("visa", tmp_path).problems
        assert set(problems) == {"candle"}
        assert "more than once: candle/Data/Images/Normal/0002.JPG" in problems["candle"]

    def test_a_quote_that_is_never_closed(self, tmp_path: Path) -> None:
        trees.visa(tmp_path)
        path = tmp_path / "split_csv/1cls.csv"
        path.write_text(path.read_text() + 'candle,test,"' + "x" * 200_000)
        assert "1cls.csv, line 86: no CSV" in listed("visa", tmp_path).problems["candle"]

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
            ("9" * 5000 + ",1\n", "line 2"),
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

    def test_two_labels_of_one_image(self, tmp_path: Path) -> None:
        trees.dagm(tmp_path)
        label = tmp_path / "DAGM_KaggleUpload/Class2/Test/Label/0003_label.PNG"
        shutil.copy(label, label.with_suffix(".png"))
        problems = listed("dagm", tmp_path).problems
        assert set(problems) == {"Class2"}
        assert "no mask, or more than one, for DAGM_KaggleUpload/Class2/Test/0003.PNG" in problems["Class2"]

    def test_copy_beside_the_classes(self, tmp_path: Path) -> None:
        expected = trees.dagm(tmp_path)
        for folder in (tmp_path / "DAGM_KaggleUpload").iterdir():
            if folder.name.startswith("Class"):
                shutil.move(folder, tmp_path / folder.name)
        listing = listed("dagm", tmp_path)
        assert (listing.base, listing.counts()) == ("", expected)


class TestKolektor:
    def pieces(self, root: Path) -> dict[str, int]:
        return {sample.name: sample.label for sample in list_samples(SDD, root).samples}

    def test_pieces_and_their_labels(self, tmp_path: Path) -> None:
        trees.sdd(tmp_path)
        anomalous = {name for name, label in self.pieces(tmp_path).items() if label == ANOMALOUS}
        assert anomalous == {
            "kos01/Part0.jpg#0,0,10,10",
            "kos01/Part0.jpg#0,10,10,20",
            "kos03/Part1.jpg#0,20,10,31",
        }

    def test_two_pieces_are_a_build_of_the_same_files(self, tmp_path: Path) -> None:
        trees.sdd(tmp_path)
        halves = record("sdd").accepting("two pieces")
        samples = list_samples(halves, tmp_path).samples
        assert {sample.name for sample in samples if sample.label == ANOMALOUS} == {
            "kos01/Part0.jpg#0,0,10,15",  # the defect of rows 9 to 11 crosses no cut, at 15
            "kos03/Part1.jpg#0,15,10,31",
        }
        assert len(samples) == 2 + 3  # a quarter of the ten normal ones, rounded up
        normal, anomalous = halves.builds[0].counts
        assert (normal, anomalous) == (-(-(399 * 2 - 67) // 4), 67)
        assert record("sdd").builds[0].counts == ((399 * 2 - 74) // 4, 74)

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
        drawn = [int(sample.image) for sample in surfaces.draw(normal)]
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
