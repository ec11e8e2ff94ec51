"""A folder that is scored in several goes: a killed run loses a batch, and the bytes are the same."""

import time
from dataclasses import replace
from errno import EIO
from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline.detection.detector import Detector, GivenTower
from pipeline.detection.folder import FolderTask, Unreadable, score_folder
from pipeline.methods.base import Scores
from tests.execution.folder_files import SIZE, write_pictures
from tests.project import Project

MANY = tuple(f"{number:02}.png" for number in range(11))


class Kill(BaseException):
    """Ends the process for all that the code under test can tell."""


def cut_off(monkeypatch: pytest.MonkeyPatch, task: FolderTask, detector: Detector, batches: int) -> None:
    """A run that dies in the batch behind the first `batches`."""
    left, right = iter(range(batches)), detector.method.score

    def dies(features: Any, text: torch.Tensor) -> Scores:
        if next(left, None) is None:
            raise Kill
        return right(features, text)

    with monkeypatch.context() as patch:
        patch.setattr(detector.method, "score", dies)
        with pytest.raises(Kill):
            score_folder(task, detector)
    assert not (task.out / "scores.parquet").exists()


@pytest.fixture
def many(tmp_path: Path) -> Path:
    write_pictures(tmp_path / "many", MANY, (9, 9))
    (tmp_path / "many" / "04b.png").write_text("no image")
    return tmp_path / "many"


@pytest.fixture
def undisturbed(clip_detector: Detector, many: Path, tmp_path: Path) -> bytes:
    score_folder(FolderTask(many, tmp_path / "undisturbed", "bottle", batch=2), clip_detector)
    return (tmp_path / "undisturbed" / "scores.parquet").read_bytes()


def test_a_run_that_died_goes_on_in_the_same_batches(
    clip_detector: Detector, many: Path, undisturbed: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = FolderTask(many, tmp_path / "out", "bottle", batch=2)
    cut_off(monkeypatch, task, clip_detector, 3)
    cut_off(monkeypatch, task, clip_detector, 1)
    reported: list[Unreadable] = []
    done = score_folder(task, clip_detector, reported.append)
    assert done.kept == 8
    assert [file.name for file in reported] == ["04b.png"]
    assert (task.out / "scores.parquet").read_bytes() == undisturbed
    assert [path.name for path in task.out.iterdir()] == ["scores.parquet"]
    assert score_folder(task, clip_detector).kept == 0


def test_what_a_dead_run_left_of_other_images_or_other_work_is_not_taken(
    clip_detector: Detector, many: Path, undisturbed: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = FolderTask(many, tmp_path / "out", "bottle", batch=2)
    content = (many / MANY[2]).read_bytes()
    (many / MANY[2]).write_bytes((many / MANY[7]).read_bytes())
    cut_off(monkeypatch, task, clip_detector, 3)
    (many / MANY[2]).write_bytes(content)
    assert score_folder(task, clip_detector).kept == 2
    assert (task.out / "scores.parquet").read_bytes() == undisturbed
    (task.out / "scores.parquet").unlink()
    for other in (replace(task, class_name="cup"), replace(task, batch=3), replace(task, maps=True)):
        cut_off(monkeypatch, other, clip_detector, 3)
        assert score_folder(task, clip_detector).kept == 0
        assert (task.out / "scores.parquet").read_bytes() == undisturbed
        (task.out / "scores.parquet").unlink()


def test_maps_and_overlays_of_a_dead_run_that_are_gone_are_made_again(
    clip_detector: Detector, many: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = FolderTask(many, tmp_path / "out", "bottle", batch=2, maps=True, overlays=True)
    cut_off(monkeypatch, task, clip_detector, 3)
    (task.out / "overlays" / f"{MANY[3]}.png").unlink()
    assert score_folder(task, clip_detector).kept == 2
    assert sorted(path.name for path in (task.out / "overlays").iterdir()) == [f"{it}.png" for it in MANY]
    assert sorted(path.name for path in (task.out / "maps").iterdir()) == [f"{it}.npz" for it in MANY]


def test_a_file_that_cannot_be_read_now_is_tried_again(
    clip_detector: Detector, many: Path, undisturbed: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = FolderTask(many, tmp_path / "out", "bottle", batch=2)

    def failing(path: Path, name: str) -> bytes:
        if name == MANY[2]:
            raise OSError(EIO, "Input/output error", str(path))
        return path.read_bytes()

    with monkeypatch.context() as patch:
        patch.setattr("pipeline.detection.folder.read_image", failing)
        cut_off(patch, task, clip_detector, 3)
    assert score_folder(task, clip_detector).kept == 2
    assert (task.out / "scores.parquet").read_bytes() == undisturbed


@pytest.mark.timeout(120)
def test_a_command_that_is_killed_loses_a_batch(
    tower: GivenTower, clip_detector: Detector, tmp_path: Path
) -> None:
    project, names = Project(tmp_path), tuple(f"{number:03}.png" for number in range(200))
    write_pictures(tmp_path / "photos", names, (9, 9))
    by_hand = ("--model", tower.model, "--weights", tower.weights, "--image-size", str(SIZE))
    words = ("--method", "clip", "--class-name", "cup", "--set", "layers=[6]", "--batch", "1", "--out", "out")
    part, scores = tmp_path / "out/scores.part", tmp_path / "out/scores.parquet"
    process = project.start("zsad", "score", "photos", *words, *by_hand)
    while not part.exists() or part.read_bytes().count(b"\n") < 3:
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.002)
    process.kill()
    process.communicate()
    kept = part.read_bytes().count(b"\n")
    assert not scores.exists()
    task = FolderTask(tmp_path / "photos", tmp_path / "out", "cup", batch=1)
    assert score_folder(task, clip_detector).kept == kept
    assert not part.exists()
    found = scores.read_bytes()
    score_folder(task, clip_detector)
    assert scores.read_bytes() == found
    project.stop()
