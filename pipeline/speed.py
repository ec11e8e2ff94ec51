"""How fast this machine is with the towers of a run: measured once, then read from `.zsad/calibration.json`.

A measurement belongs to the machine, the versions of the libraries, the code, the tower and the cells that
read it; the key holds all of these, so nothing has to be thrown away by hand. Every tower is measured in a
fresh process, whose start is measured too and whose peak of memory is a worker's. Weights are random and
images are noise: speed does not depend on their values, and nothing has to be there to plan with. Learnt
methods run as they are before training. Metrics cost what they cost in the middle of a group: pixels are
counted, not kept, where those of the group are more than are kept.
"""

import os
import platform
import resource
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from copy import deepcopy
from dataclasses import asdict, replace
from functools import partial
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from pipeline import methods, process
from pipeline.clip import load_clip
from pipeline.clip.architecture import build_model, read_config
from pipeline.clip.memory import fitting_batch
from pipeline.errors import ZsadError
from pipeline.execution.counts import gathered, pixel_state
from pipeline.execution.device_masks import masks_on
from pipeline.execution.ranges import in_pieces, length
from pipeline.execution.store import PartStore
from pipeline.execution.tasks import GroupTask, code_digest
from pipeline.files import read_json, value_digest, write_json
from pipeline.methods.base import Method
from pipeline.methods.batch import BatchMethod
from pipeline.methods.few_shot import FewShotMethod
from pipeline.metrics import PixelState, label_masks, pixel_intervals
from pipeline.metrics.state import BUDGET
from pipeline.plan import Rates
from pipeline.process import end_with

CALIBRATION = Path(".zsad") / "calibration.json"

_CPU_INFO = Path("/proc/cpuinfo")
_LIBRARIES = ("numpy", "open_clip_torch", "torch")
_ENOUGH_SECONDS = 1.0  # of repeated calls; one call of a slow tower is enough
_MASK_SHARE = 0.2  # side of the square defect of a noise image
_SUBSET = 5  # images: what MuSc needs at least
_DOUBLINGS = 3  # of the images whose intervals are timed, between two measurements


def machine() -> dict[str, str | int]:
    """What makes two timings comparable: processor, cores, memory, versions."""
    lines = _CPU_INFO.read_text(encoding="utf-8").splitlines() if _CPU_INFO.is_file() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return {
        "processor": models[0] if models else platform.machine(),
        "cores": process.processors(),
        "memory_gib": round(process.memory() / 2**30),
        "python": platform.python_version(),
        **{library: version(library) for library in _LIBRARIES},
    }


def gpu(device: str) -> str | None:
    """The GPU that a worker on this machine would use, None where it uses none or there is none."""
    if device != "cuda":
        return None
    return torch.cuda.get_device_name() if torch.cuda.is_available() else None


def is_counted(task: GroupTask) -> bool:
    """Whether the pixels of a group are too many to be kept, and are counted in a table."""
    return task.masks and task.images * task.tower.image_size**2 > BUDGET


def rates(
    tasks: Iterable[GroupTask], path: Path = CALIBRATION, announce: Callable[[str], None] = lambda _: None
) -> dict[str, Rates]:
    """Rates of every kind of group (`pipeline.plan.Group.kind`): of every tower, on every track.

    Args:
        tasks: Of a run. A kind is measured with the task that has most cells, and of these most images.
        path: Where measurements are kept.
        announce: Called with the name of a kind that has to be measured.

    Raises:
        ZsadError: a tower cannot be built.
    """
    widest: dict[str, GroupTask] = {}
    for task in tasks:
        known = widest.setdefault(task.kind, task)
        widest[task.kind] = max(known, task, key=lambda it: (it.masks, len(it.cells), it.images))
    kept = _read(path)
    found = {}
    for kind, task in widest.items():
        key = _key(task)
        if key not in kept:
            announce(kind)
            kept[key] = asdict(_measured(task))
            write_json(path, kept)
        found[kind] = Rates(**kept[key])
    return found


def costs(
    tasks: Sequence[GroupTask], measured: Mapping[str, Rates], workers: int = 1
) -> list[tuple[str, float]]:
    """Label and expected seconds of each group or range, cut for so many `workers` as a run cuts them.

    In the order of a run, each on a worker that is up.

    Args:
        tasks: groups.
        measured: the `rates` of every tower.
        workers: that share them.
    """
    seconds: list[tuple[GroupTask, float]] = []
    for group, pieces in in_pieces(tasks, workers):
        images = [piece.images_to_score for piece in pieces]
        rate = measured[group.kind]
        seconds += zip(pieces, rate.pieces(images, len(group.cells), masks=group.masks), strict=True)
    return [(piece.label, found) for piece, found in sorted(seconds, key=lambda it: -length(it[0]))]


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
            "machine": [machine(), gpu(task.device)],
            "code": sorted({code_digest(it.cell.key.method) for it in task.cells}),
            "tower": asdict(task.tower),
            "cells": cells,
            "compute": [task.device, task.threads, task.batch, task.fitted_to],
            "counted": [task.masks, is_counted(task)],
        }
    )


def _measured(task: GroupTask) -> Rates:
    began = time.monotonic()
    with ProcessPoolExecutor(
        max_workers=1, mp_context=get_context("spawn"), initializer=end_with, initargs=(os.getpid(),)
    ) as process:
        process.submit(_nothing).result()
        imports = time.monotonic() - began
        measured = process.submit(partial(measure, task, counted=is_counted(task))).result()
    return replace(measured, start=measured.start + imports)


def _nothing() -> None:
    """A fresh process that is to call this imports the module first, and its time is what is wanted."""


class _Bench:
    """A tower, the methods of a group, and noise to pass through them."""

    def __init__(self, task: GroupTask) -> None:
        spec = task.tower
        state = build_model(read_config(spec.model), spec.activation).state_dict()
        began = time.monotonic()
        self._clip = load_clip(spec, device=task.device, state_dict=state)
        self.start = time.monotonic() - began  # drawing random weights is nothing that a run does
        self._task = task
        self.whole = task.track == BatchMethod.track
        shape = (self.least(task.batch), spec.image_size, spec.image_size)
        self._images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8))
        masks = np.zeros(shape, np.uint8)
        side = int(_MASK_SHARE * spec.image_size)
        masks[:, :side, :side] = 1
        self._regions = label_masks(masks)
        self._cells: list[tuple[Method, Any]] = []  # with its text side, and memory where it has one

    def __len__(self) -> int:
        return len(self._cells)

    def least(self, count: int) -> int:
        """`count` images, or as many as a subset of the batch track needs."""
        return max(count, _SUBSET) if self.whole else count

    def build(self) -> None:
        """The methods and their text sides; a cell that cannot be built costs nothing."""
        for task in self._task.cells:
            resolved = task.cell.resolved
            try:
                method = methods.build(resolved.system.method, resolved.settings, self._clip)
                text = method.text_features(self._task.class_name)
                if isinstance(method, FewShotMethod):
                    text = method.beside(self._images[:1].expand(method.settings.shots, -1, -1, -1), text)
                self._cells.append((method, text))
            except ZsadError as error:
                reason = error
        if not self._cells:
            raise ZsadError(f"{self._task.label}: none of its cells can be built: {reason}")
        self._taps = frozenset().union(*(method.taps for method, _ in self._cells))
        self._states = [pixel_state(self._clip.device, len(self)) for _ in self._cells]

    @property
    def most(self) -> int:
        """Images that go through the tower at once."""
        task = self._task
        return fitting_batch(self._clip, self._taps, share=task.fitted_to, most=task.batch)

    def encode(self, count: int) -> None:
        """One pass of `count` images."""
        self._features = self._clip.encode_image(self._images[:count], self._taps)
        self._wait()

    def score(self, count: int) -> None:
        """Scores of the last `count` images, for every cell."""
        scores = [method.score(self._features, text) for method, text in self._cells]
        self._maps = [it.maps[:count] for it in scores]
        self._wait()

    def gather(self, count: int) -> None:
        """Take the pixels of the last `count` maps into every cell."""
        masks = masks_on(self._clip.device, self._regions[:count])
        for state, maps in zip(self._states, self._maps, strict=True):
            state.update(maps, masks)
        self._wait()

    def count(self) -> None:
        """What is left of counting at the end of a group."""
        for state in self._states:
            gathered(state)

    def gathered(self) -> PixelState:
        """The pixels of one cell so far."""
        return gathered(self._states[0])

    def _wait(self) -> None:
        if self._clip.device.type == "cuda":
            torch.cuda.synchronize()


def measure(task: GroupTask, *, counted: bool) -> Rates:
    """Rates of a worker that evaluates groups like `task`; to be called in a fresh process.

    Args:
        task: the group.
        counted: whether its pixels are more than are kept.

    Raises:
        ZsadError: the tower's model cannot be used, or none of the cells can be built.
    """
    torch.set_num_threads(task.threads)
    bench = _Bench(task)
    build = _seconds(bench.build)
    with torch.inference_mode():
        bench.encode(1)  # loads what the first pass loads; it says nothing of the next
        count = 1 if _seconds(lambda: bench.encode(1)) > _ENOUGH_SECONDS else bench.most
        image = _mean_seconds(lambda: bench.encode(count)) / count
        if bench.whole:
            bench.encode(count := bench.least(count))
        score = _mean_seconds(lambda: bench.score(count)) / count
        pixels, finish = _pixel_seconds(bench, count, counted=counted) if task.masks else (0.0, 0.0)
        part = _part_seconds(bench.gathered()) if task.masks else 0.0
    cells = len(bench)
    pair, score = (score / count, 0.0) if bench.whole else (0.0, score)
    peak = _peak(task.device)
    return Rates(bench.start, build / cells, image, score / cells, pixels, finish, part, peak, pair / cells)


def _pixel_seconds(bench: _Bench, count: int, *, counted: bool) -> tuple[float, float]:
    """Of an image and cell, and of a cell beside its images; the latter by two numbers of images."""
    while (counted and _pixels(bench.gathered()) <= BUDGET) or not bench.gathered().sketches:
        bench.gather(count)
    bench.count()
    before = len(bench.gathered().sketches)
    gathering = _seconds(lambda: _mean_seconds(lambda: bench.gather(count))) + _seconds(bench.count)
    state = bench.gathered()
    few = len(state.sketches)
    short = _seconds(lambda: _finish(state))
    for _ in range(_DOUBLINGS):
        state.merge(deepcopy(state))
    many = len(state.sketches)
    drawing = max(0.0, (_seconds(lambda: _finish(state)) - short) / (many - few))
    return gathering / (few - before) / len(bench) + drawing, max(0.0, short - few * drawing)


def _part_seconds(state: PixelState) -> float:
    """Of a cell and a range: its part kept, read twice as a group does it, and added."""
    rows, names = range(len(state.sketches)), [sketch.name for sketch in state.sketches]
    with TemporaryDirectory() as folder:
        store = PartStore(Path(folder))

        def keep_and_add() -> None:
            store.put("part", rows, state.arrays())
            store.get("part", rows)
            deepcopy(state).merge(PixelState.restored(store.get("part", rows) or {}, names))

        return _seconds(keep_and_add)


def _pixels(state: PixelState) -> int:
    return sum(sketch.normals + sketch.anomalous for sketch in state.sketches)


def _finish(state: PixelState) -> None:
    pixel_intervals(state.sketches, state.finish())


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
