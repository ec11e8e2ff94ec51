"""What is tried again, how often, with which batch, and what a group says that gets no numbers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline.clip.spec import TowerSpec
from pipeline.errors import ZsadError
from pipeline.execution.backends import SerialBackend
from pipeline.execution.retries import (
    GroupFailedError,
    LostWorkerError,
    OutOfMemoryError,
    TimeLimitError,
    attempt,
    out_of_memory,
)
from pipeline.execution.run import open_run
from pipeline.execution.tasks import GroupTask, Report
from pipeline.execution.usage import Place, Usage
from pipeline.params import load_params
from pipeline.results import METRICS
from tests.execution.faults import FITS
from tests.execution.running import Events, evaluate, use_plain_methods
from tests.project import Project

TASK = GroupTask(
    tower=TowerSpec("main", "model", "weights", 8, "native", "gelu"),
    dataset="endo",
    subset="colon",
    images=12,
    class_name="colon",
    shards=Path("shards"),
    device="cpu",
    threads=1,
    batch=16,
    cells=(),
)
PLACE: Place = {"node": "here", "pid": 1}
REPORT: Report = ((), Usage())


class Attempts:
    """Raises what it is given, one a try, then succeeds; keeps the batches that it was asked for."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.batches: list[int] = []

    def __call__(self, task: GroupTask, started: Callable[[Place], None]) -> Report:
        self.batches.append(task.batch)
        started(PLACE)
        if self.errors:
            raise self.errors.pop(0)
        return REPORT


def test_a_lost_worker_is_replaced_as_often_as_stated() -> None:
    attempts, events = Attempts(*[LostWorkerError("gone")] * 3), Events()
    assert attempt(TASK, attempts, retries=3, record=events) is REPORT
    assert attempts.batches == [16] * 4
    assert [facts["attempt"] for facts in events.of("group_started")] == [1, 2, 3, 4]
    assert [facts["retried"] for facts in events.of("worker_lost")] == [True] * 3


def test_one_loss_more_is_a_failure_that_says_so() -> None:
    attempts, events = Attempts(*[LostWorkerError("gone")] * 4), Events()
    with pytest.raises(GroupFailedError, match=r"endo/colon: lost its worker 4 times \(gone\)"):
        attempt(TASK, attempts, retries=3, record=events)
    assert events.of("worker_lost")[-1]["retried"] is False


def test_short_memory_halves_the_batch_down_to_one() -> None:
    attempts, events = Attempts(*[OutOfMemoryError("short")] * 4), Events()
    assert attempt(TASK, attempts, retries=0, record=events) is REPORT
    assert attempts.batches == [16, 8, 4, 2, 1]
    assert [facts["to"] for facts in events.of("batch_halved")] == [8, 4, 2, 1]


def test_short_memory_with_a_batch_of_one_is_a_failure() -> None:
    attempts = Attempts(*[OutOfMemoryError("short")] * 5)
    with pytest.raises(GroupFailedError, match="batch of one"):
        attempt(TASK, attempts, retries=9, record=Events())


@pytest.mark.parametrize("error", [TimeLimitError("late"), ZsadError("wrong"), RuntimeError("bug")])
def test_anything_else_is_not_tried_again(error: Exception) -> None:
    attempts = Attempts(error)
    with pytest.raises(type(error), match=str(error)):
        attempt(TASK, attempts, retries=3, record=Events())
    assert attempts.batches == [16]


def test_what_counts_as_short_memory() -> None:
    with pytest.raises(RuntimeError) as refused:  # torch's CPU allocator has no class of its own
        torch.empty(2**60, dtype=torch.uint8)
    assert out_of_memory(refused.value)
    assert out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    assert out_of_memory(MemoryError())
    assert not out_of_memory(RuntimeError("shapes differ"))


def test_a_group_that_does_not_fit_runs_with_a_smaller_batch(
    trained: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_plain_methods(trained)
    trained.set_param("datasets", ["headct", "endo"])
    evaluate()
    whole = {row.name: row for row in trained.rows()}
    for path in Path(".zsad/cells").rglob("*.parquet"):
        path.unlink()

    from pipeline.clip import Clip

    encode = Clip.encode_image

    def short(clip: Clip, images: torch.Tensor, taps: Any) -> Any:
        if len(images) > FITS:
            raise MemoryError(f"no room for {len(images)} images")
        return encode(clip, images, taps)

    monkeypatch.setattr(Clip, "encode_image", short)
    summary = evaluate()
    assert summary.complete
    assert summary.run == len(whole)
    assert any(note.startswith("endo/") and "batch halved to 4" in note for note in summary.notes)
    for row in trained.rows():
        for name in METRICS:
            assert getattr(row, name) == pytest.approx(getattr(whole[row.name], name), abs=2e-3), row.name


def test_a_method_that_never_fits_costs_its_own_cells(
    trained: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.methods.clip_ac import ClipAcMethod

    use_plain_methods(trained)
    trained.set_param("compute.batch", 2)

    def short(*_: object) -> Any:
        raise MemoryError("never")

    monkeypatch.setattr(ClipAcMethod, "score", short)
    run = open_run(load_params(), _store())
    task = next(task for task in run.tasks if task.dataset == "headct")
    rows = {result.row.method: result.row for result in run.do(task, SerialBackend())}
    assert rows["clip"].status == "ok"
    assert rows["clip_ac"].error == "MemoryError: never"
    assert [note for note in run.notes if "halved to 1" in note]


def test_images_are_not_passed_on_for_cells_that_have_all_failed(
    trained: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.clip import Clip
    from pipeline.methods.clip import ClipMethod

    trained.set_param("methods", {"clip": {"layers": [8], "sigma": 1.0}})
    trained.set_param("compute.batch", 2)
    passes: list[int] = []
    encode = Clip.encode_image

    def counted(clip: Clip, images: torch.Tensor, taps: Any) -> Any:
        passes.append(len(images))
        return encode(clip, images, taps)

    def broken(*_: object) -> Any:
        raise ValueError("no score")

    monkeypatch.setattr(Clip, "encode_image", counted)
    monkeypatch.setattr(ClipMethod, "score", broken)
    run = open_run(load_params(), _store())
    (result,) = run.do(run.tasks[0], SerialBackend())
    assert result.row.error == "ValueError: no score"
    assert passes == [2]


def _store() -> Any:
    from pipeline.execution.store import CellStore

    return CellStore()
