"""How fast this machine is with the towers of a run: measured once, then read from `.zsad/calibration.json`.

A measurement belongs to the machine, the versions of the libraries, the code, the tower and the cells that
read it; the key holds all of these, so nothing has to be thrown away by hand. Every tower is measured in a
fresh process, whose start is measured too and whose peak of memory is a worker's. Weights are random and
images are noise: speed does not depend on their values, and nothing has to be there to plan with. Learnt
methods run as they are before training.
"""

import os
import platform
import resource
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pipeline import limits, methods
from pipeline.clip import load_clip
from pipeline.clip.architecture import build_model, read_config
from pipeline.errors import ZsadError
from pipeline.execution.tasks import GroupTask, code_digest
from pipeline.files import read_json, value_digest, write_json
from pipeline.methods.base import Method
from pipeline.metrics import PixelState, label_masks
from pipeline.orphans import end_with
from pipeline.plan import Rates

CALIBRATION = Path(".zsad") / "calibration.json"

_CPU_INFO = Path("/proc/cpuinfo")
_LIBRARIES = ("numpy", "open_clip_torch", "torch")
_ENOUGH_SECONDS = 1.0  # of repeated calls; one call of a slow tower is enough
_MASK_SHARE = 0.2  # side of the square defect of a noise image


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
        process.submit(_nothing).result()
        imports = time.monotonic() - began
        measured = process.submit(measure, task).result()
    return replace(measured, start=measured.start + imports)


def _nothing() -> None:
    """A fresh process that is to call this imports the module first, and its time is what is wanted."""


class _Bench:
    """A tower, the methods of a group, and noise to pass through them."""

    def __init__(self, task: GroupTask) -> None:
        spec = task.tower
        state = build_model(read_config(spec.model), spec.activation).state_dict()
        self._clip = load_clip(spec, device=task.device, state_dict=state)
        self._task = task
        self._images = torch.from_numpy(
            np.random.default_rng(0).integers(
                0, 256, (task.batch, spec.image_size, spec.image_size, 3), np.uint8
            )
        )
        masks = np.zeros((task.batch, spec.image_size, spec.image_size), np.uint8)
        side = int(_MASK_SHARE * spec.image_size)
        masks[:, :side, :side] = 1
        self._regions = label_masks(masks)
        self._cells: list[tuple[Method, torch.Tensor]] = []

    def __len__(self) -> int:
        return len(self._cells)

    def build(self) -> None:
        """The methods and their text sides; a cell that cannot be built costs nothing."""
        for task in self._task.cells:
            resolved = task.cell.resolved
            try:
                method = methods.build(resolved.system.method, resolved.settings, self._clip)
                self._cells.append((method, method.text_features(self._task.class_name)))
            except ZsadError as error:
                reason = error
        if not self._cells:
            raise ZsadError(f"{self._task.label}: none of its cells can be built: {reason}")
        self._taps = frozenset().union(*(method.taps for method, _ in self._cells))

    def encode(self, count: int) -> None:
        """One pass of `count` images."""
        self._features = self._clip.encode_image(self._images[:count], self._taps)
        if self._clip.device.type == "cuda":
            torch.cuda.synchronize()

    def score(self, count: int) -> None:
        """Maps of the last `count` images and their pixel metrics, for every cell."""
        for method, text in self._cells:
            scores = method.score(self._features, text)
            PixelState().update(scores.maps, self._regions[:count])


def measure(task: GroupTask) -> Rates:
    """Rates of a worker that evaluates groups like `task`; to be called in a fresh process.

    Raises:
        ZsadError: the tower's model cannot be used, or none of the cells can be built.
    """
    torch.set_num_threads(task.threads)
    began = time.monotonic()
    bench = _Bench(task)
    start = time.monotonic() - began
    build = _seconds(bench.build)
    with torch.inference_mode():
        first = _seconds(lambda: bench.encode(1))  # slower than later ones by the warm-up
        count = 1 if first > _ENOUGH_SECONDS else task.batch
        image = _mean_seconds(lambda: bench.encode(count))
        score = _mean_seconds(lambda: bench.score(count))
    cells = len(bench)
    return Rates(start, build / cells, image / count, score / count / cells, _peak(task.device))


def _seconds(work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


def _mean_seconds(work: Callable[[], object]) -> float:
    """Mean over as many calls as make `_ENOUGH_SECONDS`, at least one."""
    total, calls = 0.0, 0
    while total < _ENOUGH_SECONDS:
        total += _seconds(work)
        calls += 1
    return total / calls


def _peak(device: str) -> int:
    if device == "cuda":
        return int(torch.cuda.max_memory_allocated())
    kilobyte = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * kilobyte
