"""How fast this machine is with the towers of a run: measured once, then read from `.zsad/calibration.json`.

A measurement belongs to the machine, the versions of the libraries, the code, the tower and the cells that
read it; the key holds all of these, so nothing has to be thrown away by hand. Every tower is measured in a
fresh process, whose start is measured too and whose peak of memory is a worker's.
"""

import json
import os
import platform
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from pipeline.execution.tasks import GroupTask, code_digest
from pipeline.files import value_digest, write_json
from pipeline.metrics.state import BUDGET
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
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "python": platform.python_version(),
        **{library: version(library) for library in _LIBRARIES},
    }


def gpu(device: str) -> str | None:
    """The GPU that a worker on this machine would use, None where it uses none or there is none."""
    if device != "cuda":
        return None
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else None


def is_counted(task: GroupTask) -> bool:
    """Whether the pixels of a group are too many to be kept, and are counted in a table."""
    return task.masks and task.images * task.tower.image_size**2 > BUDGET


def rates(
    tasks: Iterable[GroupTask], path: Path = CALIBRATION, announce: Callable[[str], None] = lambda _: None
) -> dict[str, Rates]:
    """Rates of every tower that `tasks` use, by its name.

    Args:
        tasks: Of a run. A tower is measured with the task that has most cells, and of these most images.
        path: Where measurements are kept.
        announce: Called with the name of a tower that has to be measured.

    Raises:
        ZsadError: a tower cannot be built.
    """
    widest: dict[str, GroupTask] = {}
    for task in tasks:
        known = widest.setdefault(task.tower.name, task)
        widest[task.tower.name] = max(known, task, key=lambda it: (it.masks, len(it.cells), it.images))
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


def costs(tasks: Iterable[GroupTask], measured: Mapping[str, Rates]) -> list[tuple[str, float]]:
    """Label and expected seconds of each group on a worker that is up, at the `rates` of every tower."""
    return [
        (task.label, measured[task.tower.name].seconds(task.images, len(task.cells), masks=task.masks))
        for task in tasks
    ]


def _read(path: Path) -> dict[str, dict[str, Any]]:
    """What is kept; a file that cannot be read is measured anew and replaced."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}


def _key(task: GroupTask) -> str:
    cells = sorted([it.cell.key.method, value_digest(it.cell.resolved.settings)] for it in task.cells)
    return value_digest(
        {
            "machine": [machine(), gpu(task.device)],
            "code": sorted({code_digest(it.cell.key.method) for it in task.cells}),
            "tower": asdict(task.tower),
            "cells": cells,
            "compute": [task.device, task.threads, task.batch],
            "counted": is_counted(task),
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

    return measure(task, counted=is_counted(task))
