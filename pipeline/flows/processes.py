"""Child processes: a command whose output is handed over, and a service that is kept up.

Each gets a process group of its own, so that Ctrl-C reaches it through us alone, and SIGINT as it is by
default, because a parent may have been started with it ignored and children inherit that. A command that is
left early is interrupted with its whole group: DVC then waits for its stage and frees its locks, and a stage
takes its Ray workers down. Who does not end in time is killed. Where this process itself is killed, the
kernel ends the command, and a stage ends with its DVC; a service watches its parent itself.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from socket import SHUT_WR, socket
from threading import Event, Lock, Thread

import httpx

from pipeline.errors import ZsadError
from pipeline.process import is_stopped

_POLL_SECONDS = 0.5
_GRACE_SECONDS = 12  # a stage allows itself 10 (stages/entry.py)
_START_SECONDS, _NOTICE_SECONDS = 600, 30  # a new database on a busy machine
_ANSWER_SECONDS = 5  # then it is looked whether the service has ended: its socket is ours and stays open
_QUICK_SECONDS, _QUICK_ENDS = 30, 5  # a service that ends so soon, so often, will not stay up
_STOPPED_SECONDS = 3.0  # who stops and continues everything continues it at about the same time

_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1  # prctl(2)

_GONE = b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class ServiceError(ZsadError):
    """A service that does not come up, or does not stay up."""


def _start(
    command: Sequence[str],
    environment: dict[str, str],
    output: int,
    handles: Sequence[int] = (),
    before: Callable[[], object] = lambda: None,
) -> subprocess.Popen[str]:
    def prepare() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        before()

    return subprocess.Popen(  # noqa: S603 - our own commands, with stage names from DVC's graph
        [sys.executable, "-m", *command],
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",  # a file name may be in any encoding
        process_group=0,
        pass_fds=handles,
        preexec_fn=prepare,  # noqa: PLW1509 - before any thread of the child
    )


def _end_with_this_thread() -> None:
    """Ask the kernel, in a child, for a signal once the thread that started it is gone."""
    if sys.platform == "linux":
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def stream(
    command: Sequence[str],
    environment: dict[str, str],
    on_line: Callable[[str], None],
    *,
    stopped: Callable[[], bool] = lambda: False,
) -> int:
    """Run `python -m <command>`, hand over its output line by line, and return the exit code.

    Args:
        command: the module and its arguments.
        environment: variables on top of this process's.
        on_line: called with every line of output.
        stopped: asked twice a second; once it says yes the command is interrupted.
    """
    child = _start(command, environment, subprocess.PIPE, before=_end_with_this_thread)
    with _ended(child) as process:
        if process.stdout is None:
            raise RuntimeError("the process has no output to read")
        with _watched(process, stopped):
            for line in process.stdout:
                on_line(line.rstrip())
            return process.wait()


@contextmanager
def _ended(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    try:
        yield process
    finally:
        _end(process, _GRACE_SECONDS)


@contextmanager
def _watched(process: subprocess.Popen[str], stopped: Callable[[], bool]) -> Iterator[None]:
    over = Event()

    def watch() -> None:
        while not over.wait(_POLL_SECONDS):
            if stopped():
                _end(process, _GRACE_SECONDS)
                return

    watcher = Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def _end(process: subprocess.Popen[str], seconds: float) -> None:
    if process.poll() is not None:
        return
    with suppress(ProcessLookupError):
        try:
            os.killpg(process.pid, signal.SIGINT)
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _refuse(listening: socket) -> None:
    """Tell all who ask that nobody will answer: they would wait there, or ask a closed socket for minutes."""
    with suppress(OSError):
        listening.setblocking(True)  # the service shares it, and may have set it otherwise
        while True:
            connection, _ = listening.accept()
            with connection, suppress(OSError):
                connection.settimeout(1)
                connection.recv(1 << 16)
                connection.sendall(_GONE)
                connection.shutdown(SHUT_WR)
                while connection.recv(1 << 16):  # closed with a part unread, it would be a broken connection
                    pass


class Kept:
    """A service that is started again whenever it ends, or somebody stops it and its clients wait.

    Args:
        name: what it is, for messages.
        command: the module and its arguments.
        environment: variables on top of this process's.
        log: its output goes to the end of this file.
        listening: a socket of ours at which it answers. Its clients wait while it is started again.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: dict[str, str],
        log: Path,
        listening: socket | None = None,
    ) -> None:
        self.name, self.log = name, log
        self._command, self._environment, self._listening = command, environment, listening
        self._lock = Lock()
        self._quick_ends = 0
        self._stopped: float | None = None  # since when
        self._start()

    def _start(self) -> None:
        self._started = time.monotonic()
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            handles = (self._listening.fileno(),) if self._listening else ()
            self._process = _start(self._command, self._environment, log.fileno(), handles)

    @property
    def pid(self) -> int:
        """Of the process as it runs now."""
        return self._process.pid

    def keep_up(self) -> bool:
        """Start it again if it ended; say whether that was necessary. Safe to call from several threads.

        Raises:
            ServiceError: it keeps ending as soon as it is started.
        """
        with self._lock:
            if self._process.poll() is None and not self._hangs():
                return False
            quick = time.monotonic() - self._started < _QUICK_SECONDS
            self._quick_ends = self._quick_ends + 1 if quick else 1
            if self._quick_ends >= _QUICK_ENDS:
                if self._listening:
                    Thread(target=_refuse, args=(self._listening,), daemon=True).start()
                raise ServiceError(f"{self.name} keeps ending: see {self.log}")
            self._start()
            return True

    def _hangs(self) -> bool:
        """Whether it has been stopped for a while; then it is killed."""
        if not is_stopped(self._process.pid):
            self._stopped = None
            return False
        self._stopped = self._stopped or time.monotonic()
        if time.monotonic() - self._stopped < _STOPPED_SECONDS:
            return False
        self._process.kill()
        self._process.wait()
        return True

    def wait_until_it_answers(self, url: str) -> None:
        """Wait until it answers at `url`, started again meanwhile where it ends.

        Raises:
            ServiceError: it does not.
        """
        begun = told = time.monotonic()
        with httpx.Client(trust_env=False, timeout=_ANSWER_SECONDS) as client:  # never through a proxy
            while time.monotonic() - begun < _START_SECONDS:
                self.keep_up()
                with suppress(httpx.HTTPError):
                    client.get(url).raise_for_status()
                    return
                time.sleep(_POLL_SECONDS / 5)
                if time.monotonic() - told >= _NOTICE_SECONDS:
                    told = time.monotonic()
                    sys.stderr.write(f"{self.name} is not up after {told - begun:.0f} s; waiting for it\n")
        raise ServiceError(f"{self.name} did not come up at {url} in {_START_SECONDS} s: see {self.log}")

    def stop(self, seconds: float) -> None:
        """Ask it to end, wait for so long, and kill it if it does not."""
        _end(self._process, seconds)
