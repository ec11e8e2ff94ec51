"""Progress of long work, on standard output: a live bar in a terminal, plain lines elsewhere.

A line a step, and of thousands of steps every so many one, the last included. Steps may finish in several
threads; a line has the count, what was done, and the seconds since the start.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil
from threading import Lock

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

_MOST_LINES = 100


class Steps:
    """Counts finished steps of a known total. Safe to call from several threads."""

    def __init__(self, title: str, total: int, bar: Progress | None) -> None:
        self._title, self._total, self._done = title, total, 0
        self._every = max(1, ceil(total / _MOST_LINES))
        self._start = time.monotonic()
        self._lock = Lock()
        self._bar = bar
        self._task = bar.add_task(title, total=total) if bar else None

    def step(self, what: str) -> None:
        """Say that the step named `what` is finished."""
        with self._lock:
            self._done += 1
            if self._bar is not None and self._task is not None:
                self._bar.update(self._task, advance=1, description=f"{self._title}: {what}")
                return
            if self._done % self._every and self._done != self._total:
                return
            seconds = time.monotonic() - self._start
            line = f"{self._title} [{self._done}/{self._total}] {what} ({seconds:.0f} s)"
            sys.stdout.write(line + "\n")
            sys.stdout.flush()


@contextmanager
def progress(title: str, total: int) -> Iterator[Steps]:
    """Show the progress of `total` steps on standard output."""
    console = Console()
    if not console.is_terminal:
        yield Steps(title, total, None)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bar:
        yield Steps(title, total, bar)
