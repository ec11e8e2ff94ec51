"""Measured speed: taken once, kept under a key of all that it depends on, near what a run then takes."""

import json
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

from pipeline import speed
from pipeline.errors import ZsadError
from pipeline.execution.run import open_run
from pipeline.execution.scoring import score_group
from pipeline.execution.store import CellStore
from pipeline.execution.tasks import CellTask, GroupTask
from pipeline.params import load_params
from pipeline.plan import Rates
from pipeline.speed import measure, rates
from tests.project import Project

FAKE = Rates(start=1.0, cell=2.0, image=3.0, score=4.0, pixels=5.0, finish=6.0, part=7.0, memory=8)


def planned() -> list[GroupTask]:
    return open_run(load_params(), CellStore()).tasks


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Towers that were measured, without measuring."""
    seen: list[str] = []

    def fake(task: GroupTask) -> Rates:
        seen.append(task.tower.name)
        return FAKE

    monkeypatch.setattr(speed, "_measured", fake)
    return seen


def test_a_tower_is_measured_once(trained: Project, counted: list[str], tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    assert rates(planned(), path) == {"main": FAKE}
    assert rates(planned(), path) == {"main": FAKE}
    assert counted == ["main"]


def test_what_moves_the_speed_is_measured_anew(trained: Project, counted: list[str], tmp_path: Path) -> None:
    path, task = tmp_path / "calibration.json", next(task for task in planned() if task.masks)
    others = [
        replace(task, batch=task.batch + 1),
        replace(task, threads=2),
        replace(task, tower=replace(task.tower, precision="bfloat16")),
        replace(task, cells=task.cells[:1]),
        replace(task, images=1000),  # more pixels than are kept
        replace(task, masks=False),
    ]
    for number, other in enumerate([task, *others], start=1):
        rates([other], path)
        assert len(counted) == number
    rates([replace(task, subset="another", images=task.images + 1)], path)
    assert len(counted) == len(others) + 1


def test_another_machine_is_measured_anew(
    trained: Project, counted: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "calibration.json"
    rates(planned(), path)
    monkeypatch.setattr(speed, "machine", lambda: {"processor": "another"})
    rates(planned(), path)
    assert len(counted) == 2


def test_another_gpu_is_measured_anew(
    trained: Project, counted: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, task = tmp_path / "calibration.json", replace(planned()[0], device="cuda")
    for number, name in enumerate(["H100", "H200"], start=1):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda name=name: name)
        rates([task], path)
        assert len(counted) == number
        assert speed.gpu("cpu") is None


def test_rates_are_what_evaluation_pays(trained: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "_ENOUGH_SECONDS", 0.1)
    task = replace(max(planned(), key=lambda task: task.images), masks=True)
    kept, counted = (measure(task, counted=counted) for counted in (False, True))
    assert min(kept.pixels, counted.pixels) > 0
    assert min(kept.finish, counted.finish) >= 0  # what is left of a difference, which noise may swallow
    assert kept.start < 2  # no random weights are drawn in it
    without = measure(replace(task, masks=False), counted=False)
    assert (without.pixels, without.finish) == (0, 0)


def test_the_batch_track_is_measured_apart_and_pays_for_pairs(
    trained: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speed, "_ENOUGH_SECONDS", 0.05)
    monkeypatch.setattr(speed, "_measured", partial(measure, counted=False))  # without a process of its own
    musc = {"tower": "main", "layers": [8], "neighbourhoods": [1]}
    trained.set_param("methods", {"clip": {"layers": [8]}, "musc": musc})
    found = rates(planned(), tmp_path / "calibration.json")
    assert set(found) == {"main", "main, batch track"}
    assert found["main"].pair == 0
    whole = found["main, batch track"]
    assert (whole.pair > 0, whole.score) == (True, 0)
    one, two = (whole.seconds(images, 1, masks=False) for images in (100, 200))
    assert two - 2 * one == pytest.approx(2 * 100**2 * whole.pair - whole.cell)


def test_a_damaged_file_is_replaced(trained: Project, counted: list[str], tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    path.write_text("{")
    assert rates(planned(), path) == {"main": FAKE}
    assert len(json.loads(path.read_text())) == 1


def test_the_estimate_is_near_the_run(trained: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "_ENOUGH_SECONDS", 0.2)
    task = max(planned(), key=lambda task: task.images)
    measured = measure(task, counted=False)
    score_group(task)  # loads the tower
    began = time.monotonic()
    score_group(task)
    seconds = time.monotonic() - began
    # Wide: other processes may take the cores between the two.
    assert 0.1 < measured.seconds(task.images, len(task.cells), masks=task.masks) / seconds < 10
    assert measured.memory > 100 * 2**20


def broken(task: CellTask) -> CellTask:
    resolved = task.cell.resolved
    settings = resolved.settings | {"layers": [99]}
    return replace(task, cell=replace(task.cell, resolved=replace(resolved, settings=settings)))


def test_cells_that_cannot_be_built_are_said(trained: Project) -> None:
    task = planned()[0]
    with pytest.raises(ZsadError, match="99 is no block"):
        measure(replace(task, cells=tuple(map(broken, task.cells))), counted=False)
