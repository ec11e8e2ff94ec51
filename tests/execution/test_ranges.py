"""A group that is cut into ranges of images ends in the bytes of the whole one, whatever dies in between."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.clip import Clip
from pipeline.execution import counts, device_masks, scoring
from pipeline.execution.backends import SerialBackend
from pipeline.execution.ranges import Split, in_pieces
from pipeline.execution.retries import LostWorkerError
from pipeline.execution.run import open_run
from pipeline.execution.scoring import score_group
from pipeline.execution.store import PARTS, CellStore, PartStore
from pipeline.execution.tasks import GroupTask, failed_result
from pipeline.metrics import PixelState
from pipeline.params import load_params
from pipeline.plan import cut, longest_range, stretches
from pipeline.results import CellResult, encode_cell
from tests.execution.faults import short_memory
from tests.execution.running import Events, evaluate, forget, use_plain_methods
from tests.execution.test_retries import TASK
from tests.project import ROOT, Project

BATCH = 4
MANY = 64
"""Workers for whom everything is cut into single batches."""


@pytest.fixture
def task(trained: Project) -> GroupTask:
    """The group of three systems, one of them learnt, on 12 images with masks, in batches of four."""
    trained.set_param("compute.batch", BATCH)
    run = open_run(load_params(), CellStore())
    return next(task for task in run.tasks if task.dataset == "endo")


@contextmanager
def passes() -> Iterator[list[int]]:
    """Images of every pass through a tower."""
    seen: list[int] = []
    whole = Clip.encode_image

    def encode(clip: Clip, images: Any, taps: Any) -> Any:
        seen.append(len(images))
        return whole(clip, images, taps)

    Clip.encode_image = encode  # type: ignore[method-assign,assignment]
    try:
        yield seen
    finally:
        Clip.encode_image = whole  # type: ignore[method-assign]


def content(results: tuple[CellResult, ...]) -> list[bytes]:
    """The files of cells."""
    assert all(it.row.error is None for it in results), [it.row.error for it in results]
    return [encode_cell(it) for it in results]


def image_scores(result: CellResult) -> NDArray[Any]:
    """(N,) scores of a finished cell."""
    assert result.scores is not None
    return result.scores.scores


def parts() -> list[Path]:
    return sorted(path for path in PARTS.rglob("*") if path.is_file())


def keep(task: GroupTask, *ranges: range) -> GroupTask:
    """Score ranges as workers do; the group that is left to do."""
    for rows in ranges:
        assert score_group(replace(task, rows=rows, images=len(rows))) == ()
    return replace(task, kept=ranges)


@pytest.mark.parametrize("pixels", ["kept", "counted", "counted where the maps lie"])
def test_parts_make_the_bytes_of_the_whole_group(
    task: GroupTask, monkeypatch: pytest.MonkeyPatch, pixels: str
) -> None:
    """Parts of few pixels hold them all, others a table of counts; a part has 50,176 of them."""
    if pixels != "kept":
        restored = PixelState.restored.__func__  # type: ignore[attr-defined]
        for function in (PixelState.__init__, restored, counts.DevicePixels.__init__):
            monkeypatch.setattr(function, "__defaults__", (1 << 14,))
    if pixels == "counted where the maps lie":
        for module in (counts, device_masks):
            monkeypatch.setattr(module, "counts_on", lambda _: True)
    whole = content(score_group(task))
    ranges = [range(0, 4), range(4, 8), range(8, 12)]
    rest = keep(task, *ranges)
    with passes() as seen:
        assert content(score_group(rest)) == whole
    assert seen == []


def test_images_without_a_whole_part_are_scored_by_the_group(task: GroupTask) -> None:
    whole = content(score_group(task))
    rest = keep(task, range(0, 4), range(8, 12))
    with passes() as seen:
        assert content(score_group(rest)) == whole
    assert seen == [4]
    damaged = parts()[0]
    flipped = bytearray(damaged.read_bytes())
    flipped[-1] ^= 1
    damaged.write_bytes(flipped)
    with passes() as seen:
        assert content(score_group(rest)) == whole
    assert seen == [4, 4]
    with passes() as seen:  # of other files of images
        assert content(score_group(replace(rest, parts=rest.parts.with_name("other")))) == whole
    assert seen == [4, 4, 4]


def test_a_range_that_is_short_of_memory_has_the_numbers_of_its_smaller_batch(task: GroupTask) -> None:
    """Its images' scores are those of a whole group in that batch, the other images' are as they were."""
    run, backend = open_run(load_params(), CellStore()), SerialBackend()
    run.tasks = [task]
    run.share(MANY)
    small = {it.row.name: it for it in score_group(replace(task, batch=2))}
    usual = {it.row.name: it for it in score_group(task)}
    assert [piece.rows for piece in run.tasks] == [range(0, 4), range(4, 8), range(8, 12)]
    assert run.do(run.tasks[0], backend) == ()
    with short_memory(2):
        assert run.do(run.tasks[1], backend) == ()
    results = run.do(run.tasks[2], backend)
    assert [note for note in run.notes if "images 5 to 8: memory was short, batch halved to 2" in note]
    for result in results:
        found, few, many = (
            image_scores(it) for it in (result, small[result.row.name], usual[result.row.name])
        )
        assert found.tolist() == [*many[:4].tolist(), *few[4:8].tolist(), *many[8:].tolist()]


def test_a_subset_is_verified_once_and_where_its_files_are_other_ones(
    task: GroupTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    monkeypatch.setattr(scoring, "verify_subset", lambda _folder, subset, _size: seen.append(subset))
    score_group(keep(task, range(0, 4), range(4, 8), range(8, 12)))
    assert seen == ["colon"]
    images = task.shards / "colon" / "images-112.npy"
    os.utime(images, ns=(0, 0))  # a node with a copy of its own
    keep(task, range(4, 8))
    assert seen == ["colon"] * 2
    assert open_run(load_params(), CellStore()).tasks[-1].parts != task.parts


def test_what_cannot_be_kept_is_not_scored_and_left_to_the_group(
    task: GroupTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker may have the project for reading only."""
    whole = content(score_group(task))
    run, backend = open_run(load_params(), CellStore()), SerialBackend()
    run.tasks = [task]
    run.share(MANY)
    monkeypatch.setattr(PartStore, "is_writable", lambda _: False)
    with passes() as seen:
        results = [run.do(piece, backend) for piece in run.tasks]
    assert results[:-1] == [(), ()]
    assert content(results[-1]) == whole
    assert seen == [4, 4, 4]
    assert [note for note in run.notes if "endo/colon, images 1 to 4: scored again with its group" in note]


def use_few(project: Project) -> None:
    """Ask for two methods on two data sets, in small batches."""
    fewer = {"datasets": ["sdd", "endo"], "auxiliaries": ["sdd"], "auxiliary": ["sdd"], "protocol": "sdd"}
    project.write_params(project.params() | fewer)
    use_plain_methods(project)
    project.set_param("compute.batch", BATCH)


def fail_on(monkeypatch: pytest.MonkeyPatch, method: str, batch: int) -> None:
    """Let a method raise in its pass of that number."""
    module = __import__(f"pipeline.methods.{method}", fromlist=["*"])
    kind = next(it for it in vars(module).values() if getattr(it, "name", None) == method)
    whole, count = kind.score, iter(range(1000))

    def score(self: Any, *args: Any) -> Any:
        if next(count) == batch:
            raise ValueError("no score")
        return whole(self, *args)

    monkeypatch.setattr(kind, "score", score)


def test_a_cell_that_fails_in_a_range_is_in_no_later_one_and_the_others_end(
    task: GroupTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = {it.row.method: encode_cell(it) for it in score_group(task)}
    run, backend = open_run(load_params(), CellStore()), SerialBackend()
    run.tasks = [task]
    run.share(MANY)
    fail_on(monkeypatch, "clip_ac", 0)
    (failed,) = run.do(run.tasks[0], backend)
    assert (failed.row.method, failed.row.error) == ("clip_ac", "ValueError: no score")
    fail_on(monkeypatch, "clip_ac", 0)  # it would, were it tried again
    assert run.do(run.tasks[1], backend) == ()
    assert {it.row.method: encode_cell(it) for it in run.do(run.tasks[2], backend)} == {
        name: it for name, it in whole.items() if name != "clip_ac"
    }
    summary = run.finish()
    assert (summary.run, [name for name, _ in summary.failures]) == (2, ["clip_ac on endo/colon"])
    assert parts() == []


def test_a_lost_range_costs_its_cells_and_the_next_run_just_that_range(trained: Project) -> None:
    use_few(trained)
    whole = evaluate()
    assert whole.complete
    expected = trained.files("results")
    forget(trained)

    class Losing(SerialBackend):
        def run(self, task: GroupTask, *args: Any, **kwargs: Any) -> Any:
            if task.dataset == "endo" and task.rows == range(4, 8):
                raise LostWorkerError("gone")
            return super().run(task, *args, **kwargs)

    run = open_run(load_params(), CellStore())
    run.share(MANY)
    for piece in run.tasks:
        run.do(piece, Losing())
    summary = run.finish()
    assert summary.counts() == {"run": whole.run - 2, "reused": 0, "failed": 2}
    assert "endo/colon, images 5 to 8: lost its worker 4 times" in summary.lines()[0]
    assert [path.name for path in parts()] == ["0-4.part"] * 2  # what cannot end is not gone on with
    with passes() as seen:
        assert evaluate().counts() == {"run": 2, "reused": whole.run - 2, "failed": 0}
    assert sum(seen) == 8
    assert trained.files("results") == expected
    assert parts() == []


def test_serial_with_and_without_ranges_writes_the_same_files(trained: Project) -> None:
    use_few(trained)
    assert evaluate().complete
    expected = trained.files("results")
    forget(trained)
    stale = PARTS / "miniature" / "stamp" / "key" / "0-4.part"
    stale.parent.mkdir(parents=True)
    stale.write_bytes(b"of a cell that nobody asks for")
    events = Events()
    summary = evaluate(events, workers=MANY)
    assert summary.complete, summary.lines()
    (shared,) = events.of("groups_shared")
    assert (shared["cut"], shared["kept"]) == (2, 0)
    assert len(events.of("group_finished")) == shared["tasks"] + 2
    assert trained.files("results") == expected
    assert not PARTS.exists() or list((PARTS / "miniature").rglob("*")) == []


@pytest.mark.soak
@pytest.mark.ray
@pytest.mark.parametrize("backend", ["serial", "ray"])
def test_a_killed_driver_costs_the_ranges_that_were_not_over(
    trained: Project, monkeypatch: pytest.MonkeyPatch, backend: str
) -> None:
    """It is killed on Ray, and the run is taken up on either backend."""
    use_few(trained)
    assert evaluate().complete
    expected = trained.files("results")
    forget(trained)
    trained.set_param("compute.backend", "ray")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    lines = "from tests.execution.running import evaluate; evaluate(threads=2, workers=64)"
    driver = trained.start(sys.executable, "-c", lines)
    while len(parts()) < 2 * 2 and driver.poll() is None:
        time.sleep(0.01)
    os.killpg(driver.pid, signal.SIGKILL)
    driver.wait()
    time.sleep(3)  # its workers end
    (folder,) = {path.parents[1] for path in parts()}
    kept = sum(map(len, PartStore(folder).ranges([path.name for path in folder.iterdir()], 30)))
    assert kept >= 2 * BATCH
    trained.set_param("compute.backend", backend)
    events = Events()
    with passes() as seen:
        summary = evaluate(events, threads=2, workers=3)
    assert summary.complete, summary.lines()
    assert events.of("groups_shared")[0]["kept"] == kept
    if backend == "serial":
        assert sum(seen) == 30 + 12 - kept
    assert trained.files("results") == expected
    assert parts() == []


def test_what_is_longer_than_a_third_of_a_share_is_cut_and_nothing_else() -> None:
    long, short = replace(TASK, images=960, batch=8), replace(TASK, subset="b", images=240, batch=8)
    pieces = {group.subset: found for group, found in in_pieces([long, short], workers=2)}
    assert longest_range(1200, 2) == 200
    assert [piece.images for piece in pieces["colon"]] == [192] * 5
    assert [piece.images for piece in pieces["b"]] == [120, 120]
    assert [len(found) for _, found in in_pieces([long, short], workers=1)] == [1, 1]
    few = [replace(TASK, subset=str(number), images=100) for number in range(6)]
    assert [len(found) for _, found in in_pieces(few, workers=2)] == [1] * 6


def test_what_needs_the_whole_subset_is_never_cut(task: GroupTask) -> None:
    cell = task.cells[0]
    batch_track = replace(cell, cell=replace(cell.cell, resolved=replace(cell.cell.resolved, track="batch")))
    assert len(in_pieces([task], MANY)[0][1]) == 3
    whole = replace(task, cells=(batch_track,))
    assert in_pieces([whole], MANY) == [(whole, [whole])]


@pytest.mark.parametrize(("images", "most", "batch"), [(1000, 300, 8), (9, 2, 4), (7, 1, 8), (64, 63, 16)])
def test_ranges_are_all_images_in_whole_batches(images: int, most: int, batch: int) -> None:
    ranges = cut(range(images), most, batch)
    assert [row for rows in ranges for row in rows] == list(range(images))
    assert all(rows.start % batch == 0 for rows in ranges)
    assert max(map(len, ranges)) < most + batch
    assert max(map(len, ranges[:-1]), default=0) - min(map(len, ranges[:-1]), default=0) <= batch
    assert list(stretches(images, ranges)) == [(rows, True) for rows in ranges]


def test_parts_of_other_cuts_are_found_where_all_cells_have_them(tmp_path: Path) -> None:
    store = PartStore(tmp_path)
    kept = {"a": [range(8), range(4), range(4, 8), range(8, 12)], "b": [range(4), range(8, 12)]}
    for key, ranges in kept.items():
        for rows in ranges:
            store.put(key, rows, {"scores": np.zeros(len(rows), np.float32)})
    assert store.ranges(["a"], 12) == (range(0, 8), range(8, 12))
    assert store.ranges(["a", "b"], 12) == (range(0, 4), range(8, 12))
    assert store.ranges(["a", "c"], 12) == store.ranges([], 12) == ()
    assert store.ranges(["a"], 11) == (range(8),)
    assert store.get("a", range(4, 9)) is None
    path = tmp_path / "a" / "0-8.part"
    path.rename(tmp_path / "a" / "12-20.part")  # another's name
    assert store.get("a", range(12, 20)) is None


def test_a_split_ends_once_and_a_cell_fails_once(task: GroupTask) -> None:
    ((whole, pieces),) = in_pieces([task], MANY)
    split = Split(whole, pieces)
    failed = failed_result(task.cells[0].columns, "twice")
    assert split.end([failed]) == ((failed,), None)
    assert split.end([failed]) == ((), None)
    new, rest = split.end([])
    assert new == ()
    assert rest is not None
    assert rest.cells == task.cells[1:]
    assert rest.kept == (range(0, 4), range(4, 8), range(8, 12))
