"""Finding learnt weights, and saying why they are not there."""

from pathlib import Path

import pytest

from pipeline.cells import CellKey, System
from pipeline.errors import ZsadError
from pipeline.execution.systems import WeightsShelf, clear_weights, weights_name, write_status
from pipeline.files import file_digest
from pipeline.plan import Cell, ResolvedSystem

ANOMALYCLIP = System("anomalyclip")
VARIANT = System("anomalyclip", "no_dpam")


def cell(system: System = ANOMALYCLIP) -> Cell:
    return Cell(CellKey("btad", "01", *system, seed=3), ResolvedSystem(system, learnt=True), "mvtec")


def test_variants_and_seeds_have_files_of_their_own() -> None:
    names = {weights_name(system, seed) for system in (ANOMALYCLIP, VARIANT) for seed in (1, 2)}
    assert len(names) == 4
    assert weights_name(VARIANT, 1) == "anomalyclip.no_dpam-seed1.safetensors"


def test_a_method_that_learns_nothing_needs_none(tmp_path: Path) -> None:
    clip = Cell(CellKey("btad", "01", "clip", "", None), ResolvedSystem(System("clip")), None)
    assert WeightsShelf(tmp_path).find(clip) == (None, None)


def test_found_weights_come_with_their_digest(tmp_path: Path) -> None:
    path = tmp_path / "mvtec" / weights_name(ANOMALYCLIP, 3)
    path.parent.mkdir()
    path.write_bytes(b"weights")
    assert WeightsShelf(tmp_path).find(cell()) == (path, file_digest(path))


def test_a_reason_has_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "never_written_down")
    write_status(tmp_path / "mvtec", {weights_name(ANOMALYCLIP, 3): "refused: never_written_down"})
    with pytest.raises(ZsadError, match=r"refused: \*\*\*"):
        WeightsShelf(tmp_path).find(cell())


def test_weights_never_trained_name_the_stage(tmp_path: Path) -> None:
    with pytest.raises(ZsadError, match="dvc repro train@mvtec"):
        WeightsShelf(tmp_path).find(cell())


def test_weights_that_could_not_be_made_give_the_reason(tmp_path: Path) -> None:
    write_status(tmp_path / "mvtec", {weights_name(VARIANT, 3): "no masks"})
    shelf = WeightsShelf(tmp_path)
    with pytest.raises(ZsadError, match=r"anomalyclip\[no_dpam\] could not be tuned on mvtec: no masks"):
        shelf.find(cell(VARIANT))
    with pytest.raises(ZsadError, match="dvc repro"):
        shelf.find(cell())


@pytest.mark.parametrize("content", ["{", "[]", '{"failed": []}', "[" * 100_000])
def test_a_damaged_status_names_the_stage(tmp_path: Path, content: str) -> None:
    (tmp_path / "mvtec").mkdir()
    (tmp_path / "mvtec" / "status.json").write_text(content)
    with pytest.raises(ZsadError, match=r"status\.json is damaged: run `dvc repro --force train@mvtec`"):
        WeightsShelf(tmp_path).find(cell())


def test_what_an_earlier_training_left_is_cleared_and_nothing_else(tmp_path: Path) -> None:
    write_status(tmp_path, {})
    for name in (
        weights_name(VARIANT, 1),
        "anomalyclip.no_dpam-seed1.history.json",
        "notes.txt",
        "mine.safetensors",
    ):
        (tmp_path / name).touch()
    clear_weights(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.safetensors", "notes.txt"]
