import hashlib
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from PIL import Image

from pipeline.catalog import DatasetRecord, list_samples, record
from pipeline.errors import DataError
from pipeline.shards import Manifest, open_subset, prepare, read_manifest
from tests.catalog.trees import fingerprint

BTAD = record("btad")
SUBSETS = BTAD.subset_names
COUNTS = dict.fromkeys(SUBSETS, (2, 3))


def noise(seed: int, mode: str, size: tuple[int, int]) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 4), dtype=np.uint8)
    picture = Image.fromarray(pixels)
    return picture.convert("RGB").convert(mode) if mode == "P" else picture.convert(mode)


def blob(seed: int, size: tuple[int, int], value: int) -> Image.Image:
    rng = np.random.default_rng(seed)
    pixels = np.zeros((size[1], size[0]), np.uint8)
    top, left = rng.integers(0, size[1] // 2), rng.integers(0, size[0] // 2)
    pixels[top : top + 7, left : left + 9] = value
    return Image.fromarray(pixels)


def save(image: Image.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A BTAD tree of odd-sized noise, with class-id masks in 02."""
    root = tmp_path / "data"
    for position, subset in enumerate(SUBSETS):
        suffix = "bmp" if subset != "02" else "png"
        for number in range(3):
            size = (37 + 8 * number, 41 - 5 * position)
            if number < 2:
                save(noise(number, "RGB", size), root / subset / f"test/ok/{number:04d}.{suffix}")
            save(noise(9 + number, "RGB", size), root / subset / f"test/ko/{number:04d}.{suffix}")
            value = 255 if subset != "02" else number + 1
            save(blob(number, size, value), root / subset / f"ground_truth/ko/{number:04d}.png")
    return root


def prepared(root: Path, sizes: tuple[int, ...] = (28,), name: str = "out", workers: int = 2) -> Path:
    out = root.parent / name
    prepare(BTAD, root, out, sizes, COUNTS, workers=workers)
    return out


def files(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def reference_image(path: Path, size: int) -> NDArray[np.uint8]:
    """The official order written out: open, resize in the file's own mode, then RGB."""
    with Image.open(path) as image:
        return np.array(image.resize((size, size), resample=Image.Resampling.BICUBIC).convert("RGB"))


def reference_mask(path: Path, size: int) -> NDArray[np.bool_]:
    """The official rule written out: above zero, 0 or 255, bilinear, as a float in [0, 1], above one half."""
    with Image.open(path) as image:
        binary = np.where(np.array(image.convert("L")) > 0, 255, 0).astype(np.uint8)
    resized = Image.fromarray(binary).resize((size, size), resample=Image.Resampling.BILINEAR)
    half: NDArray[np.bool_] = np.array(resized).astype(np.float32) / 255 > 0.5
    return half


def test_arrays_equal_a_plain_pillow_loop(root: Path) -> None:
    out = prepared(root, sizes=(28, 15))
    for subset in SUBSETS:
        for size in (28, 15):
            shard = open_subset(out, subset, size)
            assert shard.labels.tolist() == [1, 1, 1, 0, 0]
            masks = shard.masks(0, len(shard))
            assert masks is not None
            assert masks.shape == (5, size, size)
            for row, path in enumerate(shard.paths):
                assert np.array_equal(shard.images[row], reference_image(root / path, size))
                truth = root / subset / "ground_truth" / f"{path.split('/test/')[1].split('.')[0]}.png"
                if shard.labels[row]:
                    assert np.array_equal(masks[row], reference_mask(truth, size))
                    assert masks[row].any()
                else:
                    assert not masks[row].any()


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA", "LA", "1"])
def test_modes_are_resized_before_they_become_rgb(mode: str, root: Path) -> None:
    path = root / "02/test/ok/0000.png"
    save(noise(3, mode, (45, 33)), path)
    shard = open_subset(prepared(root), "02", 28)
    got = shard.images[shard.paths.index("02/test/ok/0000.png")]
    assert np.array_equal(got, reference_image(path, 28))
    with Image.open(path) as image:
        early = np.array(image.convert("RGB").resize((28, 28), resample=Image.Resampling.BICUBIC))
    assert np.array_equal(got, early) == (mode in {"RGB", "L"})


def test_jpeg_masks_keep_the_paper_rule(root: Path) -> None:
    truth = root / "01/ground_truth/ko/0000.png"
    soft = blob(1, (37, 41), 200)
    truth.unlink()
    soft.save(truth.with_suffix(".jpg"), quality=60)
    masks = open_subset(prepared(root), "01", 28).masks(0, 1)
    assert masks is not None
    assert np.array_equal(masks[0], reference_mask(truth.with_suffix(".jpg"), 28))
    clean = np.array(soft.resize((28, 28))) > 127
    assert masks[0].sum() > clean.sum()  # compression noise counts as defect


def test_pieces_are_cut_before_the_resize(tmp_path: Path) -> None:
    for item in range(1, 5):
        save(noise(item, "L", (10, 32)), tmp_path / f"data/kos{item:02d}/Part0.jpg")
        pixels = np.zeros((32, 10), np.uint8)
        pixels[12:15, 2:8] = 255 if item == 1 else 0
        save(Image.fromarray(pixels), tmp_path / f"data/kos{item:02d}/Part0_label.bmp")
    prepare(record("sdd"), tmp_path / "data", tmp_path / "out", [12])
    shard = open_subset(tmp_path / "out", "electrical commutators", 12)
    assert shard.labels.sum() == 1
    row = shard.labels.tolist().index(1)
    assert shard.paths[row] == "kos01/Part0.jpg#0,10,10,21"
    with Image.open(tmp_path / "data/kos01/Part0.jpg") as image:
        piece = image.crop((0, 10, 10, 21)).resize((12, 12), Image.Resampling.BICUBIC).convert("RGB")
    assert np.array_equal(shard.images[row], np.array(piece))
    index = pq.read_table(tmp_path / "out/electrical commutators/index.parquet").to_pylist()
    assert (index[row]["width"], index[row]["height"]) == (10, 11)


def test_a_mask_too_small_for_its_piece_is_an_error(tmp_path: Path) -> None:
    for item in (1, 2):
        save(noise(item, "L", (10, 20)), tmp_path / f"data/kos{item:02d}/Part0.jpg")
        save(blob(item, (12, 32), 255), tmp_path / f"data/kos{item:02d}/Part0_label.bmp")
    manifest = prepare(record("sdd"), tmp_path / "data", tmp_path / "out", [12])
    assert "too small for the piece" in manifest.errors["electrical commutators"]


def test_arrays_are_memory_maps(root: Path) -> None:
    shard = open_subset(prepared(root), "01", 28)
    assert isinstance(shard.images, np.memmap)
    assert not shard.images.flags.writeable
    assert (root.parent / "out/01/masks-28.npy").stat().st_size == 128 + 5 * 28 * 28 // 8


def test_slices_of_masks(root: Path) -> None:
    shard = open_subset(prepared(root, sizes=(15,)), "03", 15)
    everything, some = shard.masks(0, 5), shard.masks(1, 3)
    assert everything is not None
    assert some is not None
    assert set(np.unique(everything)) == {0, 1}
    assert np.array_equal(everything[1:3], some)


def test_sets_without_masks(tmp_path: Path) -> None:
    for number in range(2):
        save(noise(number, "L", (20, 30)), tmp_path / f"data/no/no{number}.jpg")
        save(noise(number, "L", (20, 30)), tmp_path / f"data/yes/y{number}.jpg")
    manifest = prepare(record("br35h"), tmp_path / "data", tmp_path / "out", [14], {"brain": (2, 2)})
    assert manifest.errors == {}
    assert not manifest.subset("brain").masks
    assert open_subset(tmp_path / "out", "brain", 14).masks(0, 4) is None
    assert sorted(files(tmp_path / "out/brain")) == ["images-14.npy", "index.parquet"]


def test_sets_without_normal_images(tmp_path: Path) -> None:
    save(noise(0, "RGB", (20, 30)), tmp_path / "data/images/1.png")
    save(blob(0, (20, 30), 255), tmp_path / "data/masks/1.png")
    manifest = prepare(record("endo"), tmp_path / "data", tmp_path / "out", [14], {"colon": (0, 1)})
    assert manifest.errors == {}
    assert open_subset(tmp_path / "out", "colon", 14).labels.tolist() == [1]


class TestBrokenSubsets:
    def check(self, root: Path, subset: str, *named: str) -> Manifest:
        """`subset` alone is unusable, its message names everything in `named`, and it leaves no arrays."""
        out = prepared(root)
        manifest = read_manifest(out)
        assert set(manifest.errors) == {subset}
        for word in named:
            assert word in manifest.errors[subset]
        assert len(manifest.errors[subset].splitlines()) == 1
        with pytest.raises(DataError) as caught:
            open_subset(out, subset, 28)
        assert str(caught.value) == manifest.errors[subset]
        assert not any(path.startswith(subset) for path in files(out))
        for other in set(SUBSETS) - {subset}:
            assert len(open_subset(out, other, 28)) == 5
        return manifest

    def test_corrupt_images_are_named_all_at_once(self, root: Path) -> None:
        (root / "02/test/ok/0001.png").write_bytes(b"\x89PNG\r\n\x1a\nrubbish")
        content = (root / "02/test/ko/0002.png").read_bytes()
        (root / "02/test/ko/0002.png").write_bytes(content[: len(content) // 2])
        self.check(root, "02", "btad/02: ", "02/test/ok/0001.png", "02/test/ko/0002.png", "restore")

    def test_empty_mask_file(self, root: Path) -> None:
        (root / "01/ground_truth/ko/0001.png").write_bytes(b"")
        self.check(root, "01", "01/ground_truth/ko/0001.png: an empty file")

    def test_mask_without_a_pixel(self, root: Path) -> None:
        Image.new("L", (45, 41)).save(root / "01/ground_truth/ko/0001.png")
        self.check(root, "01", "01/ground_truth/ko/0001.png: the mask of an anomalous image is empty")

    def test_missing_mask(self, root: Path) -> None:
        (root / "03/ground_truth/ko/0001.png").unlink()
        self.check(root, "03", "no mask", "03/test/ko/0001.bmp")

    def test_missing_folder(self, root: Path) -> None:
        shutil.rmtree(root / "03")
        manifest = self.check(root, "03", "03/test: no such folder")
        assert manifest.subset("03").normal is None
        assert manifest.subset("03").anomalous is None

    def test_wrong_counts(self, root: Path) -> None:
        (root / "02/test/ko/0001.png").unlink()
        self.check(root, "02", "btad/02: expected 3 anomalous, found 2")

    @pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
    def test_unreadable_file(self, root: Path) -> None:
        (root / "02/test/ko/0001.png").chmod(0)
        self.check(root, "02", "02/test/ko/0001.png: Permission denied")

    def test_many_bad_files_make_a_short_message(self, root: Path) -> None:
        for path in (root / "02/test").rglob("*.png"):
            path.write_bytes(b"")
        for number in range(3, 8):
            (root / f"02/test/ok/{number:04d}.png").write_bytes(b"")
        manifest = prepare(BTAD, root, root.parent / "out", [28])
        assert "and 5 more" in manifest.errors["02"]

    def test_a_failed_preparation_replaces_an_earlier_one(self, root: Path) -> None:
        prepared(root)
        (root / "02/test/ok/0001.png").write_bytes(b"")
        self.check(root, "02", "02/test/ok/0001.png")


def test_counts_are_only_checked_when_expected(root: Path) -> None:
    assert prepare(BTAD, root, root.parent / "out", [28]).errors == {}
    errors = prepare(BTAD, root, root.parent / "out", [28], BTAD.expected()).errors
    assert set(errors) == set(SUBSETS)


def test_the_same_bytes_whatever_the_threads_and_the_place(root: Path) -> None:
    elsewhere = root.parent / "elsewhere" / "BTech_Dataset_transformed"
    shutil.copytree(root, elsewhere)
    first = files(prepared(root, name="a", workers=1))
    assert first == files(prepared(root, name="b", workers=4))
    assert len(first) == 3 * 3 + 1
    wrapped = prepare(BTAD, elsewhere.parent, root.parent / "c", [28], COUNTS)
    assert wrapped.build == read_manifest(root.parent / "a").build


def test_preparing_again_replaces_and_leaves_other_files_alone(root: Path) -> None:
    out = prepared(root, sizes=(28, 15))
    (out / "02/notes.txt").write_text("mine")
    (out / "01/.images-15.npy.0123.tmp").write_bytes(b"left by a kill")
    prepared(root, sizes=(28,))
    assert not list(out.rglob("*-15.npy"))
    assert not list(out.rglob("*.tmp"))
    assert (out / "02/notes.txt").read_text() == "mine"
    assert read_manifest(out).sizes == (28,)


def test_without_a_manifest_nothing_is_prepared(root: Path) -> None:
    out = prepared(root)
    (out / "manifest.json").unlink()
    with pytest.raises(DataError, match=r"manifest\.json: not there; prepare"):
        open_subset(out, "01", 28)


def test_digest_tells_what_a_method_could_see(root: Path) -> None:
    out = prepared(root, sizes=(28, 15))
    before = {
        (entry.name, size): entry.digests[size] for entry in read_manifest(out).subsets for size in (28, 15)
    }
    assert len(set(before.values())) == 6
    save(blob(7, (37, 41), 255), root / "01/ground_truth/ko/0000.png")
    (root / "02/test/ko/0000.png").rename(root / "02/test/ko/0007.png")
    (root / "02/ground_truth/ko/0000.png").rename(root / "02/ground_truth/ko/0007.png")
    manifest = read_manifest(prepared(root, sizes=(28, 15)))
    for (subset, size), digest in before.items():
        assert (manifest.subset(subset).digests[size] == digest) == (subset == "03")


def test_build_is_the_fingerprint_of_the_published_files(root: Path) -> None:
    manifest = read_manifest(prepared(root))
    printed = fingerprint(list_samples(BTAD, root), root)
    assert {entry.name: entry.build for entry in manifest.subsets} | {"": manifest.build} == printed


def test_known_build_is_named(tmp_path: Path) -> None:
    save(noise(0, "RGB", (20, 30)), tmp_path / "data/images/1.png")
    save(blob(0, (20, 30), 255), tmp_path / "data/masks/1.png")
    endo = record("endo")
    build = endo.build().model_copy(update={"name": "tiny", "anomalous": 1})
    known: DatasetRecord = endo.model_copy(update={"builds": (build,)})
    assert prepare(known, tmp_path / "data", tmp_path / "out", [14]).build_name == "tiny"
    assert prepare(endo, tmp_path / "data", tmp_path / "out", [14]).build_name is None


def test_progress_counts_images(root: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    prepare(BTAD, root, root.parent / "out", [28], progress=lambda *step: seen.append(step))
    assert seen == [(subset, done, 5) for subset in SUBSETS for done in range(1, 6)]


def test_stored_formats(root: Path) -> None:
    """The files themselves, not only what our reader makes of them."""
    out = prepared(root)
    content = json.loads((out / "manifest.json").read_text())
    assert sorted(content) == ["build", "build_name", "dataset", "ignored", "sizes", "subsets", "version"]
    assert (content["version"], content["dataset"], content["sizes"]) == (1, "btad", [28])
    entry = content["subsets"][0]
    digest = entry.pop("digests")["28"]
    assert len(digest) == len(entry.pop("build")) == 64
    assert entry == {
        "name": "01", "class_name": "01", "normal": 2, "anomalous": 3, "masks": True, "error": None,
        "references": [],
        "references_error": None,
    }  # fmt: skip
    table = pq.ParquetFile(out / "01/index.parquet")
    assert table.metadata.metadata is None  # neither pandas nor arrow schema: bytes depend on content only
    assert [(field.name, str(field.type)) for field in table.schema_arrow] == [
        ("image", "string"), ("mask", "string"), ("label", "int8"),
        ("defect", "string"), ("width", "int32"), ("height", "int32"),
    ]  # fmt: skip
    assert table.read().to_pylist()[0] == {
        "image": "01/test/ko/0000.bmp", "mask": "01/ground_truth/ko/0000.png",
        "label": 1, "defect": "ko", "width": 37, "height": 41,
    }  # fmt: skip
    assert table.read().to_pylist()[4]["mask"] is None
    images = np.load(out / "01/images-28.npy")
    assert (images.dtype, images.shape) == (np.uint8, (5, 28, 28, 3))


class TestReading:
    def test_unknown_subset(self, root: Path) -> None:
        with pytest.raises(DataError, match="btad: unknown subset '04'; known: 01, 02, 03"):
            open_subset(prepared(root), "04", 28)

    def test_other_size(self, root: Path) -> None:
        with pytest.raises(DataError, match="prepared at 28, not at 99"):
            open_subset(prepared(root), "01", 99)

    @pytest.mark.parametrize("name", ["index.parquet", "images-28.npy", "masks-28.npy"])
    @pytest.mark.parametrize("damage", ["gone", "cut", "empty"])
    def test_damaged_files(self, name: str, damage: str, root: Path) -> None:
        path = prepared(root) / "01" / name
        if damage == "gone":
            path.unlink()
        else:
            path.write_bytes(path.read_bytes()[: 0 if damage == "empty" else path.stat().st_size // 2])
        with pytest.raises(DataError, match="damaged"):
            open_subset(root.parent / "out", "01", 28)

    def test_arrays_of_another_length(self, root: Path) -> None:
        out = prepared(root)
        np.save(out / "01/images-28.npy", np.zeros((4, 28, 28, 3), np.uint8))
        with pytest.raises(DataError, match="differ in length"):
            open_subset(out, "01", 28)

    @pytest.mark.parametrize("change", [{"version": 2}, {"extra": 1}, {"sizes": "many"}])
    def test_manifest_of_another_version(self, change: dict[str, object], root: Path) -> None:
        path = prepared(root) / "manifest.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | change))
        with pytest.raises(DataError, match="damaged or of another version"):
            read_manifest(root.parent / "out")


def test_a_full_disk_is_an_error_and_leaves_nothing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int, start: int, length: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pipeline.shards.arrays.os.posix_fallocate", full)
    with pytest.raises(OSError, match="No space left"):
        prepared(root)
    assert files(root.parent / "out") == {}
