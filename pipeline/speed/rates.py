"""One worker's speed with one tower, measured with the cells that a run will have. The inside of a process.

Weights are random and images are noise: speed does not depend on their values, and nothing has to be there to
plan with. Learnt methods run as they are before training.
"""

import resource
import sys
import time
from collections.abc import Callable

import numpy as np
import torch

from pipeline import methods
from pipeline.clip import load_clip
from pipeline.clip.architecture import build_model, read_config
from pipeline.errors import ZsadError
from pipeline.execution.tasks import GroupTask
from pipeline.methods.base import Method
from pipeline.metrics import PixelState, label_masks
from pipeline.plan import Rates

_ENOUGH_SECONDS = 1.0  # of repeated calls; one call of a slow tower is enough
_MASK_SHARE = 0.2  # side of the square defect of a noise image


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
