import hashlib
import shutil
from pathlib import Path

from pipeline.catalog import Build, list_samples, record
from pipeline.catalog.builds import build_name

from . import trees

MVTEC = record("mvtec")


def printed(root: Path, name: str = "mvtec") -> dict[str, str]:
    return trees.fingerprint(list_samples(record(name), root), root)


def test_same_content_elsewhere_is_the_same_build(tmp_path: Path) -> None:
    trees.mvtec(tmp_path / "a")
    shutil.copytree(tmp_path / "a", tmp_path / "b/wrapped/MVTec")
    (tmp_path / "b/wrapped/notes.txt").write_text("not evaluated")
    assert printed(tmp_path / "a") == printed(tmp_path / "b")


def test_a_changed_byte_changes_its_subset_only(tmp_path: Path) -> None:
    trees.mvtec(tmp_path)
    before = printed(tmp_path)
    trees.mask(tmp_path / "cable/ground_truth/hole/000_mask.png", value=254)
    after = printed(tmp_path)
    assert {name for name in before if before[name] != after[name]} == {"cable", ""}


def test_use_matters_not_only_content(tmp_path: Path) -> None:
    trees.br35h(tmp_path)
    before = printed(tmp_path, "br35h")
    content = [(tmp_path / f"{kind}0.jpg").read_bytes() for kind in ("no/no", "yes/y")]
    assert hashlib.sha256(content[0]).digest() == hashlib.sha256(content[1]).digest()
    (tmp_path / "no/no0.jpg").rename(tmp_path / "yes/no0.jpg")
    assert printed(tmp_path, "br35h") != before


def test_pieces_are_part_of_the_build(tmp_path: Path) -> None:
    trees.sdd(tmp_path)
    before = printed(tmp_path, "sdd")
    trees.picture(tmp_path / "kos99/Part0.jpg", "L", (10, 31))
    trees.mask(tmp_path / "kos99/Part0_label.bmp", size=(10, 31))
    assert printed(tmp_path, "sdd")[""] != before[""]


def test_known_builds_are_named() -> None:
    sdd = record("sdd")
    subset = "electrical commutators"
    assert build_name(sdd, "f" * 64, {subset: (286, 54)}) == "standard conversion"
    assert build_name(sdd, "f" * 64, {subset: (286, 55)}) is None
    assert build_name(MVTEC, "f" * 64, {}) is None


def test_a_recorded_digest_decides() -> None:
    builds = (
        Build(name="old", normal=1, anomalous=1, status="confirmed", digest="a" * 64),
        Build(name="new", normal=1, anomalous=1, status="confirmed", digest="b" * 64),
    )
    entry = record("br35h").model_copy(update={"builds": builds})
    assert build_name(entry, "b" * 64, {"brain": (1, 1)}) == "new"
    assert build_name(entry, "c" * 64, {"brain": (1, 1)}) is None
