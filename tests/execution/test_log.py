"""The log of a run: one JSON object a line, by a clock that never jumps; a full disk is no end."""

import itertools
import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from pipeline.execution.log import RunLog, recorded
from pipeline.execution.usage import Usage, measured, phase, unheard
from pipeline.params import load_params
from tests.execution.running import CELLS, evaluate, use_plain_methods
from tests.project import Project, read_log


def test_a_line_an_event(tmp_path: Path) -> None:
    log = RunLog(tmp_path)
    log("group_started", group="endo/colon", place={"node": "here", "pid": 7}, missing=None)
    log("cell_failed", cell="clip on endo/colon", reason="mask\nis empty")
    first, second = read_log(log.path)
    assert first["place"] == {"node": "here", "pid": 7}
    assert "missing" not in first
    assert second["reason"] == "mask\nis empty"
    assert len(log.path.read_text().splitlines()) == 2


def test_threads_do_not_mix_lines_and_a_cut_line_is_left_out(tmp_path: Path) -> None:
    log = RunLog(tmp_path)

    def write(number: int) -> None:
        for _ in range(20):
            log("event", number=number, text="x" * 500)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(read_log(log.path)) == 160
    with log.path.open("a") as handle:
        handle.write('{"event": "cut')
    assert len(read_log(log.path)) == 160


def test_a_jump_of_the_clock_moves_no_event(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jumps = itertools.count(2**31, -86_400)
    monkeypatch.setattr(time, "time", lambda: float(next(jumps)))
    log = RunLog(tmp_path)
    for _ in range(3):
        log("event")
    seconds = [line["seconds"] for line in read_log(log.path)]
    assert seconds == sorted(seconds)
    assert 0 <= seconds[0] <= seconds[-1] < 5


def test_a_log_that_cannot_be_written_does_not_stop_the_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "runs").write_text("a file where the folder should be")
    log = RunLog(tmp_path / "runs")
    log("one")
    log("two")
    assert len(caplog.records) == 1


def test_a_run_tells_its_whole_story(trained: Project) -> None:
    use_plain_methods(trained)
    trained.set_param("methods.clip.colour", "red")
    log = RunLog()
    with recorded(load_params(), log):
        summary = evaluate(log)
    events = read_log(log.path)
    assert log.path.parent == Path(".zsad/runs")
    start = events[0]
    assert start["event"] == "run_started"
    assert start["libraries"]["torch"]
    finished = [line["usage"] for line in events if line["event"] == "group_finished"]
    assert len(finished) == 6
    for usage in finished:
        assert set(usage["seconds"]) == {"tower", "text", "images", "metrics", "all"}
        assert sum(usage["seconds"].values()) <= 2 * usage["seconds"]["all"]
        assert usage["memory"] > 50 * 2**20
        assert usage["gpu_memory"] is None
    assert sum(line["event"] == "cell_finished" for line in events) == summary.run == CELLS // 2
    text = "\n".join(summary.lines())
    assert "time in groups: tower" in text
    assert "memory of a worker, at most:" in text
    assert text.endswith("incomplete")


def test_an_early_end_is_written_down(trained: Project) -> None:
    log = RunLog()
    with pytest.raises(KeyboardInterrupt), recorded(load_params(), log):
        raise KeyboardInterrupt
    assert read_log(log.path)[-1]["event"] == "run_stopped"


def test_phases_are_those_of_the_group_that_is_measured() -> None:
    with phase("outside"):
        pass
    with measured("cpu", unheard) as meter:
        with phase("images"):
            time.sleep(0.01)
        with phase("images"):
            time.sleep(0.01)
        usage: Usage = meter.usage()
    assert 0.02 <= usage.seconds["images"] <= usage.seconds["all"]
    assert "outside" not in usage.seconds


def test_every_line_is_plain_json(tmp_path: Path) -> None:
    log = RunLog(tmp_path)
    facts: dict[str, Any] = {"path": Path("a/b"), "usage": Usage({"all": 1.5}, 3)}
    log("event", **facts)
    line = json.loads(log.path.read_text())
    assert line["path"] == "a/b"
    assert line["usage"]["seconds"] == {"all": 1.5}
