"""Plain lines where there is no terminal."""

import threading

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


def test_thousands_of_steps_take_a_hundred_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("evaluate", 2001) as steps:
        for number in range(2001):
            steps.step(str(number))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 100
    assert lines[-1].startswith("evaluate [2001/2001] 2000 ")
