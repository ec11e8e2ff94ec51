"""Runs a command of DVC or of a stage, hands over its output, and really ends it when the run is stopped.

The command gets a process group of its own. Leaving early interrupts the whole group with SIGINT, because DVC
then waits for its stage and frees its locks, and a stage takes its Ray workers down. Who does not end in time
is killed.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

_GRACE_SECONDS = 12  # a stage allows itself 10 (stages/entry.py)
_POLL_SECONDS = 0.5


def stream(
    command: list[str],
    extra: dict[str, str],
    on_line: Callable[[str], None],
    *,
    stopped: Callable[[], bool] = lambda: False,
) -> int:
    """Run `python -m <command>`, hand over its output line by line, and return the exit code.

    Args:
        command: the module and its arguments.
        extra: environment variables on top of this process's.
        on_line: called with every line of output.
        stopped: asked twice a second; once it says yes the command is interrupted.
    """
    with _process([sys.executable, "-m", *command], os.environ | extra) as process:
        if process.stdout is None:
            raise RuntimeError("the process has no output to read")
        with _watched(process, stopped):
            for line in process.stdout:
                on_line(line.rstrip())
            return process.wait()


@contextmanager
def _process(command: list[str], environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A parent may have been started with SIGINT ignored, and children inherit that, so it is restored."""
    process = subprocess.Popen(  # noqa: S603 - the command is DVC's, with stage names from DVC's own graph
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",  # a file name may be in any encoding
        process_group=0,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL) and None,  # noqa: PLW1509 - before any thread of ours
    )
    try:
        yield process
    finally:
        _end(process)


@contextmanager
def _watched(process: subprocess.Popen[str], stopped: Callable[[], bool]) -> Iterator[None]:
    over = Event()

    def watch() -> None:
        while not over.wait(_POLL_SECONDS):
            if stopped():
                _end(process)
                return

    watcher = Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is not None:
        return
    try:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
