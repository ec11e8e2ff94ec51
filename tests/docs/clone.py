"""An empty clone of the committed project, in which the commands of the documentation run.

It takes four things from the present checkout, so that `make repro` restores what is known instead of
computing it: the environment, the DVC cache, the finished cells, and dvc.lock. The committed one names
weights of the processor on which it was made, and DVC would look for those alone.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tests.project import ROOT

_ENDS_WITHIN = 60  # seconds that a server has to end after Ctrl-C


@dataclass(frozen=True)
class Outcome:
    """Exit code of a command (None: it did not end in time), what it printed, and seconds."""

    code: int | None
    output: str
    seconds: float


@dataclass(frozen=True)
class Clone:
    """`folder` is the root of the project."""

    folder: Path

    def keep(self) -> None:
        """From now on `reset` goes back to tracked files as they are."""
        identity = ("-c", "user.name=docs", "-c", "user.email=docs@example.org", "-c", "commit.gpgsign=false")
        self._git(*identity, "commit", "-qa", "--allow-empty", "--no-verify", "-m", "kept")

    def reset(self) -> None:
        """Tracked files and results as kept, others that git does not ignore gone, own data sets too."""
        self._git("reset", "-q", "--hard")
        self._git("clean", "-fdq")
        self.run(["dvc", "checkout", "-q", "-f"], seconds=60)
        for own in self.folder.glob("data-own/*"):
            for folder in (own, *self.folder.glob(f"shards/*/{own.name}")):
                shutil.rmtree(folder)

    def write(self, file: str, text: str) -> None:
        """Make a file of the project say `text`."""
        path = self.folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n", encoding="utf-8")

    def run(self, command: list[str], seconds: float, until: str | None = None) -> Outcome:
        """Run a command to its end, or a server until it prints `until`, then interrupt that."""
        log = self.folder.with_suffix(".log")
        start = time.monotonic()
        with log.open("w") as output:
            process = subprocess.Popen(
                command,
                cwd=self.folder,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                # A shell that put this into the background had it ignore Ctrl-C; children inherit that.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL) and None,  # noqa: PLW1509 - no threads
            )
            try:
                if until is not None:
                    _wait_for(until, log, process, seconds)
                    os.killpg(process.pid, signal.SIGINT)
                code = process.wait(_ENDS_WITHIN if until else seconds)
            except subprocess.TimeoutExpired:
                code = None
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        return Outcome(code, log.read_text(), time.monotonic() - start)

    def _environment(self) -> dict[str, str]:
        paths = [str(self.folder / ".venv" / "bin"), os.environ["PATH"]]
        own = {"PATH": os.pathsep.join(paths), "PYTHONPATH": str(self.folder), "NO_COLOR": "1"}
        return {name: value for name, value in os.environ.items() if name != "PREFECT_HOME"} | own

    def _git(self, *arguments: str) -> None:
        subprocess.run(["git", *arguments], cwd=self.folder, check=True)


def make_clone(folder: Path) -> Clone:
    """Clone what is committed into `folder`."""
    subprocess.run(["git", "clone", "-q", str(ROOT), str(folder)], check=True)
    _share_environment(folder / ".venv")
    shutil.copy(ROOT / "dvc.lock", folder)
    clone = Clone(folder)
    cache = subprocess.run(["dvc", "cache", "dir"], cwd=ROOT, check=True, capture_output=True, text=True)
    clone.run(["dvc", "config", "--local", "cache.dir", cache.stdout.strip()], seconds=60)
    if (cells := ROOT / ".zsad" / "cells").is_dir():
        shutil.copytree(cells, folder / ".zsad" / "cells")
    return clone


def _share_environment(own: Path) -> None:
    """The present environment under the clone's name; younger than the lock, so that make leaves it alone."""
    own.mkdir()
    for part in Path(sys.prefix).iterdir():
        if part.name != ".stamp":
            (own / part.name).symlink_to(part)
    (own / ".stamp").touch()


def _wait_for(text: str, log: Path, process: subprocess.Popen[bytes], seconds: float) -> None:
    end = time.monotonic() + seconds
    while text not in log.read_text():
        if process.poll() is not None or time.monotonic() > end:
            raise subprocess.TimeoutExpired(process.args, seconds)
        time.sleep(0.2)
