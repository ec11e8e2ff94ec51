import io
import itertools

import pytest
from rich.console import Console
from rich.progress import Progress

from pipeline.downloads.display import Display, LiveDisplay, progress_line


def test_rate_and_time_left() -> None:
    assert (
        progress_line(630_000_000, 5_300_000_000, 21_000_000) == "12%, 630.0 MB at 21.0 MB/s, 3 min 42 s left"
    )
    assert progress_line(630_000_000, None, 21_000_000) == "630.0 MB at 21.0 MB/s"
    assert progress_line(0, 100, 0.0) == "0 bytes at 0 bytes/s"


def test_plain_lines_come_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = itertools.count(0.0, 4.0)
    monkeypatch.setattr("pipeline.downloads.display.time.monotonic", lambda: next(seconds))
    out = io.StringIO()
    advance = Display(Console(file=out, width=80)).file("w.zip", 1000, 200)
    for _ in range(6):
        advance(100)
    assert out.getvalue().splitlines() == [
        "w.zip: 200 bytes of 1.0 kB are there",
        "w.zip: 50%, 500 bytes at 25 bytes/s, 0 min 20 s left",
        "w.zip: 80%, 800 bytes at 25 bytes/s, 0 min 08 s left",
    ]


def test_an_attempt_replaces_the_bar_of_the_one_before() -> None:
    console = Console(file=io.StringIO(), force_terminal=True)
    with Progress(console=console) as bars:
        display = LiveDisplay(console, bars)
        display.file("w.zip", 1000, 0)(100)
        display.file("w.zip", 1000, 100)(300)
        (task,) = bars.tasks
        assert (task.completed, task.total) == (400, 1000)
