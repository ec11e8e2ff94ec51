"""Plain lines where there is no terminal: one a step, and a sign of life where no step ends for long."""

import re
import threading
import time

import pytest

from pipeline.progress import progress


def test_one_line_a_step(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("evaluate", 3) as steps:
        threads = [threading.Thread(target=steps.step, args=(name,)) for name in ("a", "b", "c")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert [line.split("]")[0] for line in lines] == ["evaluate [1/3", "evaluate [2/3", "evaluate [3/3"]
    assert {line.split()[2] for line in lines} == {"a", "b", "c"}


def test_silence_is_broken_with_how_far_it_is_and_how_long_it_takes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.progress.SILENCE", 0.05)
    with progress("train on mvtec", 2) as steps:
        time.sleep(0.2)
        steps.part("images through the tower main", 0, 200)
        time.sleep(0.1)
        steps.part("images through the tower main", 50, 200)
        time.sleep(0.2)
        steps.step("coop-seed111")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "train on mvtec [0/2] under way (0 s)"
    far = (
        r"train on mvtec \[0/2\] images through the tower main: 50 of 200 \(\d s, \d.\d s left of images .*\)"
    )
    assert any(re.fullmatch(far, line) for line in lines), lines
    assert lines[-1].startswith("train on mvtec [1/2] coop-seed111")


def test_nothing_is_said_after_the_end(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.progress.SILENCE", 0.02)
    with progress("evaluate", 1) as steps:
        steps.step("a")
    capsys.readouterr()
    time.sleep(0.1)
    assert capsys.readouterr().out == ""


def test_thousands_of_steps_take_a_hundred_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("evaluate", 2001) as steps:
        for number in range(2001):
            steps.step(str(number))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 100
    assert lines[-1].startswith("evaluate [2001/2001] 2000 ")
