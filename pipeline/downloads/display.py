"""What a user sees of a download: messages, and bytes on their way with rate and time left.

In a terminal every file has a live bar; elsewhere there is a plain line now and then. All of it goes to
standard error, so that standard output stays for results.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.filesize import decimal
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

_EVERY = 10.0  # seconds between plain lines


class Display:
    """Shows messages and the progress of files as plain lines on a console."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def say(self, message: str) -> None:
        """Show one line."""
        self.console.print(message, markup=False, highlight=False, soft_wrap=True)

    def file(self, name: str, total: int | None, start: int) -> Callable[[int], None]:
        """Begin a file of `total` bytes of which `start` are there; the answer takes numbers of new bytes."""
        began = said = time.monotonic()
        done, size = 0, "an unknown size" if total is None else decimal(total)
        self.say(f"{name}: {decimal(start)} of {size} are there" if start else f"{name}: {size}")

        def advance(count: int) -> None:
            nonlocal done, said
            done += count
            now = time.monotonic()
            if now - said >= _EVERY:
                said = now
                self.say(f"{name}: {progress_line(start + done, total, done / (now - began))}")

        return advance


class LiveDisplay(Display):
    """Likewise with one bar per file."""

    def __init__(self, console: Console, bars: Progress) -> None:
        super().__init__(console)
        self._bars = bars

    def file(self, name: str, total: int | None, start: int) -> Callable[[int], None]:
        """Begin a bar; one of the same name (an attempt before this one) is replaced."""
        for task in self._bars.tasks:
            if task.description == name:
                self._bars.remove_task(task.id)
        bar = self._bars.add_task(name, total=total, completed=start)
        return lambda count: self._bars.advance(bar, count)


def progress_line(done: int, total: int | None, rate: float) -> str:
    """Bytes that are there, the rate in bytes a second, and how long it takes still, where that is known."""
    line = f"{decimal(done)} at {decimal(int(rate))}/s"
    if total is None or rate <= 0:
        return line
    left = int((total - done) / rate)
    return f"{done / total:.0%}, {line}, {left // 60} min {left % 60:02d} s left"


@contextmanager
def open_display() -> Iterator[Display]:
    """The display for this standard error: live where it is a terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield Display(console)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bars:
        yield LiveDisplay(console, bars)
