"""This process: what it may use of the machine, and that a helper ends with the process that it helps.

The kernel tells a container how large the machine is, not how much of it is allowed. That stands in the files
of its control groups: of the process's own group and of each one above it, where the least counts. And a
child whose parent is killed the kernel gives to another one, and it goes on; one that is stopped lives, and
does nothing.
"""

import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from math import inf
from pathlib import Path
from threading import Thread

_ROOT = Path("/")
_GROUPS = Path("sys/fs/cgroup")
_POLL_SECONDS = 0.5
_OF_A_REPOSITORY = frozenset(
    f"GIT_{name}"
    for name in (
        *("DIR", "WORK_TREE", "IMPLICIT_WORK_TREE", "INDEX_FILE", "COMMON_DIR", "PREFIX", "SHALLOW_FILE"),
        *("OBJECT_DIRECTORY", "ALTERNATE_OBJECT_DIRECTORIES", "GRAFT_FILE", "NAMESPACE"),
    )
)


def processors() -> int:
    """How many processors this process may keep busy, at least 1; a share of one counts as none."""
    allowed = [quota for quota in _quotas() if quota > 0]
    return max(1, int(min([len(os.sched_getaffinity(0)), *allowed])))


def memory() -> int:
    """Bytes of memory that this process and its children may have together."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    found = [*_numbers("", "memory.max"), *_numbers("memory", "memory.limit_in_bytes")]
    return min([physical, *(limit for limit, *_ in found if limit > 0)])


def tasks() -> float:
    """How many processes and threads this process and its children may have; infinite if nothing limits it.

    Those that the user's other programs have count too (`ulimit -u`), or the container's; `root` has no limit
    of the first kind (setrlimit(2)).
    """
    own = resource.getrlimit(resource.RLIMIT_NPROC)[0]
    limits = [limit for limit, *_ in (*_numbers("pids", "pids.max"), *_numbers("", "pids.max"))]
    return min([own if os.getuid() and own != resource.RLIM_INFINITY else inf, *limits])


def _quotas() -> Iterator[float]:
    for parts in _numbers("", "cpu.max"):
        if len(parts) == 2 and parts[1] > 0:
            yield parts[0] / parts[1]
    pairs = zip(_numbers("cpu", "cpu.cfs_quota_us"), _numbers("cpu", "cpu.cfs_period_us"), strict=False)
    yield from (quota / period for (quota, *_), (period, *_) in pairs if period > 0)


def _numbers(controller: str, name: str) -> Iterator[list[int]]:
    """What the file `name` holds in the groups of `controller` ("" in version 2), where it holds a limit."""
    for folder in _folders(controller):
        try:
            found = [int(word) for word in (folder / name).read_text(encoding="ascii").split()]
        except (OSError, ValueError):  # not there, or `max`
            continue
        if found:
            yield found


def _folders(controller: str) -> Iterator[Path]:
    """The group of this process, and those above it. A container may see its own as the topmost."""
    try:
        lines = (_ROOT / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, group = (*line.split(":", 2), "", "")[:3]
        if controller in controllers.split(","):
            for mounted in dict.fromkeys((controllers, controller, "" if controllers else "unified")):
                top = _ROOT / _GROUPS / mounted
                inside = Path(group.lstrip("/"))
                yield from (top / part for part in (inside, *inside.parents))


def open_standard_streams() -> None:
    """Give this process the standard streams that it was started without (`>&-`), on the null device.

    Python has None for such a stream, and its number would go to the next file that somebody opens: what a
    library prints would then stand in that file.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the least number that is free
            os.set_inheritable(number, True)
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115


def let_go_of_unwritten() -> None:
    """Give up what standard output does not take: Python 3.13 would fail on it again when it ends."""
    try:
        sys.stdout.flush()
    except OSError:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())


def git_environment() -> dict[str, str]:
    """The environment for git, without what ties it to another repository than that of its folder.

    A hook of git starts with it. Git's own list of the names is `git rev-parse --local-env-vars`.
    """
    return {name: value for name, value in os.environ.items() if name not in _OF_A_REPOSITORY}


def is_stopped(pid: int) -> bool:
    """Whether somebody stopped the process (SIGSTOP), as far as this system tells."""
    try:
        return (_ROOT / f"proc/{pid}/stat").read_text(errors="replace").rpartition(") ")[2].startswith("T")
    except OSError:
        return False


def end_with(parent: int, end: Callable[[], object] = lambda: os._exit(1)) -> None:
    """Watch the process `parent`, which started this one, and call `end` in a thread once it is gone."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_POLL_SECONDS)
        end()

    Thread(target=watch, name="orphans", daemon=True).start()
