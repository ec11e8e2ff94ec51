"""How fast this machine is with the towers of a run: measured once, then read from `.zsad/calibration.json`.

A measurement belongs to the machine, the versions of the libraries, the code, the tower and the cells that
read it; the key holds all of these, so nothing has to be thrown away by hand. Every tower is measured in a
fresh process, whose start is measured too and whose peak of memory is a worker's.
"""

import os
import platform
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from pipeline import limits
from pipeline.execution.tasks import GroupTask, code_digest
from pipeline.files import read_json, value_digest, write_json
from pipeline.orphans import end_with
from pipeline.plan import Rates

CALIBRATION = Path(".zsad") / "calibration.json"

_CPU_INFO = Path("/proc/cpuinfo")
_LIBRARIES = ("numpy", "open_clip_torch", "torch")


def machine() -> dict[str, str | int]:
    """What makes two timings comparable: processor, cores, memory, versions."""
    lines = _CPU_INFO.read_text(encoding="utf-8").splitlines() if _CPU_INFO.is_file() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return {
        "processor": models[0] if models else platform.machine(),
        "cores": limits.processors(),
        "memory_gib": round(limits.memory() / 2**30),
        "python": platform.python_version(),
        **{library: version(library) for library in _LIBRARIES},
    }


def rates(
    tasks: Iterable[GroupTask], path: Path = CALIBRATION, announce: Callable[[str], None] = lambda _: None
) -> dict[str, Rates]:
    """Rates of every tower that `tasks` use, by its name.

    Args:
        tasks: Of a run. A tower is measured with the task that has most cells.
        path: Where measurements are kept.
        announce: Called with the name of a tower that has to be measured.

    Raises:
        ZsadError: a tower cannot be built.
    """
    widest: dict[str, GroupTask] = {}
    for task in tasks:
        known = widest.setdefault(task.tower.name, task)
        if len(task.cells) > len(known.cells):
            widest[task.tower.name] = task
    kept = _read(path)
    found = {}
    for tower, task in widest.items():
        key = _key(task)
        if key not in kept:
            announce(tower)
            kept[key] = asdict(_measured(task))
            write_json(path, kept)
        found[tower] = Rates(**kept[key])
    return found


def _read(path: Path) -> dict[str, dict[str, Any]]:
    """What is kept; a file that cannot be read is measured anew and replaced."""
    try:
        kept = read_json(path)
    except (FileNotFoundError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}


def _key(task: GroupTask) -> str:
    cells = sorted([it.cell.key.method, value_digest(it.cell.resolved.settings)] for it in task.cells)
    return value_digest(
        {
            "machine": machine(),
            "code": sorted({code_digest(it.cell.key.method) for it in task.cells}),
            "tower": asdict(task.tower),
            "cells": cells,
            "compute": [task.device, task.threads, task.batch],
        }
    )


def _measured(task: GroupTask) -> Rates:
    began = time.monotonic()
    with ProcessPoolExecutor(
        max_workers=1, mp_context=get_context("spawn"), initializer=end_with, initargs=(os.getpid(),)
    ) as process:
        process.submit(_import).result()
        imports = time.monotonic() - began
        measured = process.submit(_measure, task).result()
    return replace(measured, start=measured.start + imports)


def _import() -> None:
    import pipeline.speed.rates  # noqa: F401 - its time is what is wanted


def _measure(task: GroupTask) -> Rates:
    from pipeline.speed.rates import measure

    return measure(task)
