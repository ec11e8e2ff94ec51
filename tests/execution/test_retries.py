"""What is tried again, how often, with which batch, and what a group says that gets no numbers."""

import errno
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from pipeline.clip import load_clip
from pipeline.clip.spec import TowerSpec
from pipeline.errors import ZsadError
from pipeline.execution import scoring
from pipeline.execution.backends import SerialBackend
from pipeline.execution.retries import (
    GroupFailedError,
    LostWorkerError,
    OutOfMemoryError,
    TimeLimitError,
    attempt,
    device_is_lost,
    out_of_memory,
)
from pipeline.execution.run import Run, Summary, open_run
from pipeline.execution.scoring import score_group
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
    masks=True,
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


def test_short_memory_halves_what_a_batch_is_fitted_to() -> None:
    shares: list[float | None] = []

    def once(task: GroupTask, started: Callable[[Place], None]) -> Report:
        shares.append(task.fitted_to)
        if len(shares) < 3:
            raise OutOfMemoryError("short")
        return REPORT

    events = Events()
    attempt(replace(TASK, fitted_to=0.5), once, retries=0, record=events)
    assert shares == [0.5, 0.25, 0.125]
    assert [facts["to"] for facts in events.of("batch_halved")] == ["at most 8", "at most 4"]


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
    assert out_of_memory(MemoryError())
    assert out_of_memory(torch.OutOfMemoryError("a class of its own, whatever it says"))
    assert out_of_memory(OSError(errno.ENOMEM, "Cannot allocate memory"))
    assert not out_of_memory(OSError(errno.ENOSPC, "No space left on device"))


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        torch.AcceleratorError("CUDA error: out of memory\nCUDA kernel errors might be ..."),  # pinned memory
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"),
    ],
)
def test_every_way_in_which_a_gpu_says_that_memory_is_short(error: Exception) -> None:
    assert out_of_memory(error)


@pytest.mark.parametrize(
    "error",
    [
        torch.AcceleratorError("CUDA error: an illegal memory access was encountered"),
        RuntimeError("CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasSgemm`"),
        RuntimeError("shapes differ"),
        ZsadError("the prompt speaks of running out of memory"),
    ],
)
def test_what_is_no_shortage_of_memory(error: Exception) -> None:
    assert not out_of_memory(error)


def poison(monkeypatch: pytest.MonkeyPatch, answer: Exception | None) -> None:
    """A CUDA context that gives `answer` to every call from now on."""

    def synchronize() -> None:
        if answer:
            raise answer

    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "synchronize", synchronize)


def test_a_device_is_lost_when_it_answers_every_call_with_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    poison(monkeypatch, torch.AcceleratorError("CUDA error: uncorrectable ECC error encountered"))
    assert device_is_lost("cuda")
    assert not device_is_lost("cpu")
    poison(monkeypatch, torch.AcceleratorError("CUDA error: out of memory"))
    assert not device_is_lost("cuda")
    poison(monkeypatch, None)
    assert not device_is_lost("cuda")


@pytest.fixture
def broken_group(trained: Project, monkeypatch: pytest.MonkeyPatch) -> tuple[Run, GroupTask]:
    """A run, and a task of it whose tower raises at its first image what breaks a CUDA context."""
    from pipeline.clip import Clip
    from pipeline.execution import usage

    use_plain_methods(trained)
    error = torch.AcceleratorError("CUDA error: an illegal memory access was encountered")

    def encode(*_: object) -> Any:
        poison(monkeypatch, error)
        raise error

    monkeypatch.setattr(Clip, "encode_image", encode)
    monkeypatch.setattr(usage.Meter, "__init__", lambda *_: None)
    monkeypatch.setattr(scoring, "load_clip", lambda spec, **_: load_clip(spec))
    run = open_run(load_params(), _store())
    return run, replace(run.tasks[0], device="cuda")


def test_a_group_on_a_broken_device_has_no_rows_but_a_lost_worker(
    broken_group: tuple[Run, GroupTask],
) -> None:
    _, task = broken_group
    with pytest.raises(LostWorkerError, match="its GPU answers no more: CUDA error: an illegal"):
        score_group(task)


def test_serial_tries_no_further_group_on_a_broken_device_and_keeps_no_row(
    broken_group: tuple[Run, GroupTask],
) -> None:
    run, task = broken_group
    backend = SerialBackend()
    first, second = run.do(task, backend), run.do(run.tasks[1], backend)
    assert {result.row.error for result in (*first, *second)} == {
        f"{label}: its GPU answers no more: CUDA error: an illegal memory access was encountered; run again"
        for label in (task.label, run.tasks[1].label)
    }
    assert not list(Path(".zsad/cells").rglob("*.parquet"))


def test_a_group_takes_as_many_images_at_once_as_its_gpu_holds(
    trained: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.clip import Clip

    use_plain_methods(trained)
    task = open_run(load_params(), _store()).tasks[0]
    sizes: list[int] = []
    whole = Clip.encode_image

    def encode(clip: Clip, images: torch.Tensor, taps: Any) -> Any:
        sizes.append(len(images))
        return whole(clip, images, taps)

    monkeypatch.setattr(Clip, "encode_image", encode)
    fixed = score_group(replace(task, batch=4))
    assert max(sizes) == 4
    known = SimpleNamespace(total_memory=4 * 7 * 2**30)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: known)
    monkeypatch.setattr("pipeline.clip.memory.pass_bytes", lambda *_: 2**30)
    sizes.clear()
    fitted = score_group(replace(task, batch=256, fitted_to=1.0))
    assert max(sizes) == 4  # seven fit
    assert [it.row for it in fitted] == [it.row for it in fixed]


def test_a_smaller_batch_is_tried_when_the_other_towers_and_the_failed_try_are_gone(
    trained: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.clip import Clip

    use_plain_methods(trained)
    task = open_run(load_params(), _store()).tasks[0]
    other = replace(task.tower, name="other")
    scoring._clip(other, "cpu")
    held: list[weakref.ref[torch.Tensor]] = []

    def short(clip: Clip, images: torch.Tensor, taps: Any) -> Any:
        large = torch.zeros(1)
        held.append(weakref.ref(large))
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Clip, "encode_image", short)
    with pytest.raises(OutOfMemoryError, match="CUDA out of memory"):
        score_group(task)
    assert held[0]() is None
    assert [tower.name for tower, _ in scoring._towers] == [task.tower.name]


def test_a_group_that_does_not_fit_runs_with_a_smaller_batch(
    trained: Project, undisturbed_plain: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_plain_methods(trained)
    whole = {row.name: row for row in undisturbed_plain.rows()}

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


def test_a_note_a_cell_does_not_drown_the_end() -> None:
    lines = Summary(0, 0, (), [f"note {number}" for number in range(500)], Usage()).lines()
    assert lines[19:] == [
        "note 19",
        "and 480 more such notes; the newest file in .zsad/runs has all",
        "cells: 0 run, 0 reused, 0 failed: complete",
    ]
