"""What of the data a run takes: data sets that are here, and of a smoke run few images of each subset."""

from pathlib import Path
from typing import Any

import pytest

from pipeline import catalog
from pipeline.catalog import Listing, Sample
from pipeline.errors import DataError


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A run of four data sets, of which two are here."""
    monkeypatch.chdir(tmp_path)
    for folder in ("data-paper/sdd", "data-own/widgets"):
        Path(folder).mkdir(parents=True)
    return {
        "profile": "paper",
        "data_root": "data-paper",
        "datasets": ["mvtec", "visa", "sdd"],
        "own": ["widgets"],
        "auxiliaries": ["mvtec", "visa"],
        "unions": ["mvtec+sdd", "sdd+visa+mvtec"],
        "left_out": [],
    }


def test_they_stop_a_run_with_the_next_step(asked: dict[str, Any]) -> None:
    Path("data-paper/visa.dvc").write_text("outs:\n- path: visa\n")
    asked["own"].append("gears")
    with pytest.raises(DataError) as caught:
        catalog.leave_out(asked, stop=True)
    assert str(caught.value).splitlines() == [
        "3 of the 5 data sets of the paper profile are not here, and nothing was started:",
        "  mvtec: `zsad download mvtec`",
        "  visa: `dvc pull data-paper/visa.dvc`",
        "  gears: `zsad datasets add FOLDER`",
        "`-S missing=leave_out` runs what is here",
    ]


def test_one_word_runs_what_is_here(asked: dict[str, Any]) -> None:
    assert catalog.leave_out(asked, stop=False) == ["mvtec", "visa"]
    assert asked["left_out"] == ["mvtec", "visa"]
    assert (asked["datasets"], asked["own"], asked["auxiliaries"]) == (["sdd"], ["widgets"], [])
    assert asked["unions"] == []
    Path("data-paper/sdd").rmdir()
    Path("data-own/widgets").rmdir()
    with pytest.raises(DataError, match="no data set of the paper profile is here"):
        catalog.leave_out(asked, stop=False)


def test_what_comes_with_a_run_is_not_missing(asked: dict[str, Any]) -> None:
    Path("data-paper.dvc").write_text("frozen: false\ndeps:\n- path: samples\nouts:\n- path: data-paper\n")
    assert catalog.leave_out(asked, stop=True) == []
    Path("data-paper.dvc").write_text("outs:\n- path: data-paper\n")
    assert catalog.what_brings("visa", "data-paper") == "`dvc pull data-paper.dvc`"


@pytest.mark.parametrize(
    ("limit", "wanted"),
    [(2, ["a0", "b0"]), (3, ["a0", "a1", "b0"]), (4, ["a0", "a1", "b0", "b3"]), (99, None)],
)
def test_the_chosen_images_lie_far_apart(limit: int, wanted: list[str] | None) -> None:
    samples = [Sample("s", f"a{n}", None, 0, "good") for n in range(2)]
    samples += [Sample("s", f"b{n}", None, 1, "hole") for n in range(6)]
    found = [it.image for it in Listing(tuple(samples), (), {}).limited(limit).samples]
    assert found == (wanted or [it.image for it in samples])


def test_a_subset_of_one_label_is_filled_from_it() -> None:
    samples = tuple(Sample("s", f"b{n}", None, 1, "hole") for n in range(6))
    assert [it.image for it in Listing(samples, (), {}).limited(4).samples] == ["b0", "b1", "b3", "b4"]
