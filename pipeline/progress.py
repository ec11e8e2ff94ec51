"""Progress of long work, on standard output: live bars in a terminal, plain lines elsewhere.

A line a step, and of thousands of steps every so many one, the last included: the count of finished steps,
what is done, and the seconds since the start. Where nothing was said for ten seconds, a line says how far the
part is that is under way, and how long it will take. Steps may finish, and parts go on, in several threads.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil
from threading import Event, Lock, Thread
from typing import Final

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

SILENCE: Final = 10.0
"""Seconds after which a plain line says that work goes on."""
_MOST_LINES: Final = 100


class Steps:
    """Counts finished steps of a known total, and how far a part of them is. Safe for several threads."""

    def __init__(self, title: str, total: int, bar: Progress | None) -> None:
        self._title, self._total, self._done = title, total, 0
        self._every = max(1, ceil(total / _MOST_LINES))
        self._start = self._said = time.monotonic()
        self._part: _Part | None = None
        self._lock = Lock()
        self._bar = bar
        self._task = bar.add_task(title, total=total) if bar else None
        self._part_task = bar.add_task("", total=None, visible=False) if bar else None

    def step(self, what: str) -> None:
        """Say that the step named `what` is finished."""
        with self._lock:
            self._done += 1
            if self._bar is not None and self._task is not None:
                self._bar.update(self._task, advance=1, description=f"{self._title}: {what}")
            elif self._done % self._every == 0 or self._done == self._total:
                self._say(what)

    def part(self, what: str, done: int, total: int) -> None:
        """Say that of what is under way, such as `images`, `done` of `total` are finished."""
        with self._lock:
            if self._part is None or self._part.what != what or done < self._part.done:
                self._part = _Part(what)
                if self._bar is not None and self._part_task is not None:
                    self._bar.reset(self._part_task, total=total, visible=True, description=f"  {what}")
            self._part.done, self._part.total = done, total
            if self._bar is not None and self._part_task is not None:
                self._bar.update(self._part_task, completed=done, total=total)

    def beat(self) -> float:
        """Say how far it is where nothing was said for `SILENCE`; the seconds until it is due again."""
        with self._lock:
            silent = time.monotonic() - self._said
            if silent >= SILENCE:
                self._say(str(self._part or "under way"))
                return SILENCE
            return SILENCE - silent

    def _say(self, what: str) -> None:
        self._said = time.monotonic()
        times = [f"{self._said - self._start:.0f} s"]
        if self._part is not None and (left := self._part.left(self._said)) is not None:
            times.append(f"{duration(left)} left of {self._part.what}")
        sys.stdout.write(f"{self._title} [{self._done}/{self._total}] {what} ({', '.join(times)})\n")
        sys.stdout.flush()


class _Part:
    """What is under way."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.done = self.total = 0
        self._start = time.monotonic()

    def __str__(self) -> str:
        return f"{self.what}: {self.done} of {self.total}"

    def left(self, now: float) -> float | None:
        """Seconds, at the rate so far; None before there is one, and at the end."""
        if not 0 < self.done < self.total:
            return None
        return (now - self._start) * (self.total - self.done) / self.done


def duration(seconds: float) -> str:
    """As people say it: `48 s`, `3 min 20 s`, `5 h 12 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


@contextmanager
def progress(title: str, total: int) -> Iterator[Steps]:
    """Show the progress of `total` steps on standard output."""
    console = Console()
    if not console.is_terminal:
        with _beating(Steps(title, total, None)) as steps:
            yield steps
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


@contextmanager
def _beating(steps: Steps) -> Iterator[Steps]:
    """Let `steps` speak in a thread where the work itself does not."""
    over = Event()

    def beat() -> None:
        while not over.wait(steps.beat()):
            pass

    thread = Thread(target=beat, name="progress", daemon=True)
    thread.start()
    try:
        yield steps
    finally:
        over.set()
        thread.join()
