"""Names of groups and labels, and the line about builds."""

from pathlib import Path

import pytest

from pipeline.catalog.builds import build_digest
from pipeline.cells import System
from pipeline.errors import DataError
from pipeline.tables import ExpectedSet, expected_sets
from pipeline.tables.legend import group_title, labelled

from . import make

SUBSET = "electrical commutators"


def test_groups() -> None:
    assert group_title("object_and_texture") == "Obj & texture"
    assert group_title("two_words") == "Two words"


def test_labels_say_what_stands_behind_them() -> None:
    labels = {System("clip"): "A", System("clip", "x"): "B"}
    assert labelled(labels) == ["A: `clip`; B: `clip[x]`."]
    assert labelled({}) == []


@pytest.mark.parametrize(
    ("asked", "counts", "told"),
    [
        ({}, (181, 74), ", paper"),
        ({"sdd": "standard conversion"}, (286, 54), ", standard conversion"),
        ({"sdd": "300/60"}, (300, 60), ", 300/60"),
        ({}, (286, 54), ""),
    ],
)
def test_a_build_is_named(
    asked: dict[str, str], counts: tuple[int, int], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = expected_sets(["sdd"], asked)
    monkeypatch.setattr(make, "EXPECTED", expected)
    changes = {"n_normal": counts[0], "n_anomalous": counts[1], "profile": "paper", "build": "f" * 64}
    texts = make.write(tmp_path, [make.row("sdd", SUBSET, "clip", 0.5, **changes)], expected, "paper")
    digest = build_digest({SUBSET: ("f" * 64, counts)})[:12]
    line = (
        f"Builds (normal/anomalous test images, fingerprint): SDD {counts[0]}/{counts[1]} `{digest}`{told}."
    )
    assert f"- {line}\n" in texts["table1.md"]
    assert f"- {line}\n" in texts["subsets/sdd.md"]


def test_a_part_of_a_build_is_no_build(tmp_path: Path) -> None:
    rows = [make.row("mvtec", "bottle", "clip", 0.5), make.failed("mvtec", "cable", "clip")]
    text = make.write(tmp_path, rows)["table1.md"]
    assert "MVTec AD 1/1 `" in text
    assert "`, 1 of 2 subsets." in text


def test_an_unknown_build_is_an_error() -> None:
    with pytest.raises(DataError, match="unknown build 'mine'"):
        expected_sets(["sdd"], {"sdd": "mine"})


def test_own_data_sets_have_a_table_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = {"widgets": ExpectedSet("widgets", "own", "own", ("image",), ("widgets",))}
    monkeypatch.setattr(make, "EXPECTED", make.EXPECTED | own)
    rows = [make.row("btad", "01", "clip", 0.5)]
    assert "own.md" not in make.write(tmp_path / "without", rows, make.EXPECTED)
    texts = make.write(
        tmp_path / "with", [*rows, make.row("widgets", "widgets", "clip", 0.75)], make.EXPECTED
    )
    assert "| widgets | 1 | (75.0, 75.0) |" in texts["own.md"]
    assert "widgets" not in texts["table1.md"] + texts["table2.md"]


def test_scores_that_are_all_equal_get_a_line(tmp_path: Path) -> None:
    counts = {"n_images": 2, "n_normal": 1, "n_anomalous": 1, "image_f1_max": 2 / 3}
    rows = [
        make.row("mvtec", "bottle", "vand", 0.5, image_ap=0.5, **counts),
        make.row("mvtec", "cable", "vand", 0.5, image_ap=0.6, **counts),
    ]
    line = "Image scores that are equal, so that nothing is ranked: VAND on MVTec AD (bottle) 2 of 2."
    assert line in make.write(tmp_path / "tied", rows)["table1.md"]
    assert "nothing is ranked" not in make.write(tmp_path / "ranked", rows[1:])["table1.md"]
