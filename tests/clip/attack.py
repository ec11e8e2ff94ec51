"""Run by `test_hostile`: gives each file of the corpus to the command in this one process.

Prints one JSON object per file: exit code, output, seconds, growth of memory, and what ran or was written.
A file may take 20 seconds, and the process two gigabytes of memory beyond what it has mapped at its start.
"""

import json
import os
import resource
import signal
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any

from click.testing import CliRunner

from pipeline.cli import main
from tests.clip import hostile, hostile_archives, hostile_headers  # noqa: F401 - they add to the corpus
from tests.execution.folder_files import write_pictures, write_tower

ROOM = 2 << 30
LIMIT_SECONDS = 20
_RUNS = (
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.fork",
    "subprocess.Popen",
    "socket.connect",
    "ctypes.dlopen",
)
_WRITES = ("os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.symlink", "os.truncate", "os.chmod")

_seen: list[str] = []
_watching = Event()


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if not _watching.is_set():
        return
    if event == "ctypes.dlopen" and str(arguments[0]).startswith(sys.prefix):
        return  # a library that loads its own parts late
    if event in _RUNS or event in _WRITES or event == "pickle.find_class":
        _seen.append(f"{event} {arguments!r:.80}")
    if (
        event == "open"
        and isinstance(arguments[2], int)
        and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
    ):
        _seen.append(f"open {arguments!r:.80}")


def _peak() -> int:
    """Bytes that this process had in memory at most since the last call."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    most = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) * 1024
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return most


def _attack(arguments: list[str]) -> dict[str, Any]:
    _seen.clear()
    _peak()
    before = _peak()  # what is in memory now: the libraries
    start = time.perf_counter()
    signal.alarm(LIMIT_SECONDS)
    _watching.set()
    done = CliRunner().invoke(main, arguments)
    _watching.clear()
    signal.alarm(0)
    return {
        "code": done.exit_code,
        "output": done.output,
        "error": repr(done.exception),
        "seconds": time.perf_counter() - start,
        "grown": _peak() - before,
        "seen": list(_seen),
    }


def run(folder: Path) -> None:
    """Write the corpus into `folder` and attack with every file in turn; print what happened."""
    warnings.simplefilter("ignore")
    tower = write_tower(folder)
    pictures = str(write_pictures(folder / "pictures", ("a.png",)))
    rules = ["--model", tower.model, "--image-size", str(tower.image_size)]
    sound = [*rules, "--weights", tower.weights]
    doors: dict[str, tuple[dict[str, hostile.Write], Callable[[str], list[str]]]] = {
        "tower": (
            hostile.TOWERS,
            lambda path: ["score", pictures, "--method", "clip", *rules, "--weights", path],
        ),
        "official": (
            hostile.OFFICIAL,
            lambda path: ["import-checkpoint", path, f"{path}.safetensors", *sound],
        ),
        "learnt": (hostile.LEARNT, lambda path: ["score", pictures, "--checkpoint", path, *sound]),
    }
    for door, (files, _) in doors.items():
        (folder / door).mkdir()
        for name, write in files.items():
            write(folder / door / name)
    _attack(
        ["score", pictures, "--method", "clip", *sound, "--weights", "nothing.pt"]
    )  # imports what is needed
    mapped = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (mapped + ROOM, mapped + ROOM))
    sys.addaudithook(_watch)
    for door, (files, arguments) in doors.items():
        for name in files:
            outcome = _attack(arguments(str(folder / door / name)))
            sys.stdout.write(json.dumps({"door": door, "name": name, **outcome}) + "\n")


if __name__ == "__main__":
    run(Path(sys.argv[1]))
