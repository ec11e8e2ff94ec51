"""The inside of a worker: whether it may work where it is, then one group with what it cost.

A worker on another node reads code, weights and shards from the project's folder, which must lie there under
the same path. Other code or other libraries would give other numbers under the same key, so both are
compared with the driver's before any work.
"""

import os
import signal
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pipeline.errors import ZsadError, log_to_stderr
from pipeline.execution.scoring import score_group
from pipeline.execution.tasks import GroupTask, Report
from pipeline.execution.usage import Place, Scored, here, measured
from pipeline.files import file_digest, value_digest
from pipeline.results import library_versions

_ENGINES = frozenset({"dvc", "prefect", "zsad"})  # move no number


class WorkplaceError(ZsadError):
    """A node on which the project is missing or another one; the message names the node."""


@dataclass(frozen=True)
class Workplace:
    """The project as the driver has it: folder, digest of its code, versions of libraries."""

    root: Path
    sources: str
    libraries: dict[str, str | None]

    @classmethod
    def here(cls) -> "Workplace":
        """The project of this process."""
        return cls(Path.cwd(), _sources(), _libraries())

    def enter(self) -> None:
        """Work in the project's folder, if it is the driver's project.

        Raises:
            WorkplaceError: it is not; the message says what differs.
        """
        node = here()["node"]
        try:
            os.chdir(self.root)
        except OSError as error:
            raise WorkplaceError(
                f"node {node} cannot open {self.root} ({error.strerror}): "
                "mount the project there under the same path"
            ) from None
        if _sources() != self.sources:
            raise WorkplaceError(f"node {node} runs another version of the code: start its Ray anew there")
        for name, version in self.libraries.items():
            if (found := _libraries()[name]) != version:
                raise WorkplaceError(f"node {node} has {name} {found}, the driver {version}: use one lock")


@cache
def _sources() -> str:
    root = Path(__file__).parents[1]
    files = sorted(root.rglob("*.py"))
    return value_digest([[file.relative_to(root).as_posix(), file_digest(file)] for file in files])


def _libraries() -> dict[str, str | None]:
    return {name: version for name, version in library_versions().items() if name not in _ENGINES}


def run_here(task: GroupTask, scored: Scored) -> Report:
    """Score a group in this process and measure it; `scored` hears how far it is.

    Raises:
        OutOfMemoryError: a smaller batch may help.
    """
    with measured(task.device, scored) as meter:
        results = score_group(task)
        return results, meter.usage()


class Worker:
    """A Ray worker: its process, and its GPU where it was given one, are its own as long as it lives.

    It can be asked how far a group is while it runs it.
    """

    _scored = 0

    def enter(self, workplace: Workplace) -> Place:
        """Begin to work for the driver; where that is.

        Raises:
            WorkplaceError: the worker may not work there.
        """
        workplace.enter()
        log_to_stderr()
        return here()

    def run(self, task: GroupTask) -> Report:
        """See `run_here`."""
        self._count(0)
        return run_here(task, self._count)

    def _count(self, images: int) -> None:
        self._scored = images

    def scored(self) -> int:
        """Images of its group that are scored."""
        return self._scored


def kill_worker(pid: int) -> None:
    """End the worker `pid` of this machine, if that is one."""
    with suppress(OSError):
        if b"ray::" in Path(f"/proc/{pid}/cmdline").read_bytes():
            os.kill(pid, signal.SIGKILL)


def stopped_workers() -> list[int]:
    """Processes of the Ray that this one started which somebody stopped (SIGSTOP): they hear nothing."""
    found: dict[int, tuple[str, int]] = {}  # state and parent
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, ValueError):
            state, parent = (folder / "stat").read_text(errors="replace").rpartition(") ")[2].split()[:2]
            found[int(folder.name)] = state, int(parent)
    raylets = {pid for pid, (_, parent) in found.items() if parent == os.getpid()}
    return [pid for pid, (state, parent) in found.items() if state == "T" and parent in raylets]


def probe(workplace: Workplace) -> None:
    """Whether this node can work for the driver.

    Raises:
        WorkplaceError: it cannot.
    """
    workplace.enter()
