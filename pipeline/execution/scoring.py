"""One group of cells from prepared images to metrics: the inside of a worker.

The images of the subset go through the tower once, and every cell of the group is scored from that pass;
what goes wrong with one cell ends that cell, not the group. A cell of the batch track is scored from the
features of all images, which are kept meanwhile. The next batch is read in a thread meanwhile, one
ahead and no more, and free memory goes back to the system now and then, so memory does not grow with the
number of images.
"""

import ctypes
import gc
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits
from torch import Tensor

from pipeline import methods
from pipeline.clip import Clip, Features, Tap, TowerSpec, load_clip
from pipeline.clip.features import features_folder, keep_features
from pipeline.clip.memory import fitting_batch
from pipeline.errors import ZsadError, as_message
from pipeline.execution.counts import DevicePixels, Masks, masks_on, pixel_state
from pipeline.execution.examples import ExampleSelection, small_maps
from pipeline.execution.retries import LostWorkerError, OutOfMemoryError, device_is_lost, out_of_memory
from pipeline.execution.store import TextStore
from pipeline.execution.tasks import CellTask, GroupTask, failed_result, tower_digest, weights_digest
from pipeline.execution.usage import phase, scored
from pipeline.files import file_digest, value_digest
from pipeline.methods.base import LearntMethod, Method, Scores
from pipeline.methods.batch import BatchMethod
from pipeline.metrics import (
    Interval,
    PixelState,
    image_intervals,
    image_metrics,
    label_masks,
    pixel_intervals,
)
from pipeline.results import CellResult, CellRow, CellScores, library_versions, spread_columns
from pipeline.shards import SubsetShard, open_subset, verify_subset
from pipeline.training import load_checkpoint

log = logging.getLogger(__name__)

T = TypeVar("T")

_TOWERS = 3  # that a worker keeps loaded: those of the paper profile, 4 GB in float32
# With their devices, and what they were read from; the one used last stands last.
_towers: dict[tuple[TowerSpec, str], tuple[Clip, str]] = {}
_WAITING = 64  # batches of image scores and small maps that stay on the device, 16 kB an image
_RELEASE = 16  # batches between two times that free memory goes back to the system
_TRIM = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's own; other allocators have no such call


def score_group(task: GroupTask) -> tuple[CellResult, ...]:
    """Score every cell of a group from one tower pass over its images.

    Returns:
        One result per cell, in the order of `task.cells`; a cell that failed carries the reason.

    Raises:
        OutOfMemoryError: memory was short, and a smaller batch may help.
        LostWorkerError: the device answers no more.
    """
    torch.set_num_threads(task.threads)
    try:
        with threadpool_limits(task.threads, "blas"):  # NumPy's: it takes every core otherwise
            return _score_or_fail(task)
    except OutOfMemoryError as error:
        shortage = str(error)
    _free_memory(task)  # here the error is gone, and with it what its frames held
    raise OutOfMemoryError(shortage)


def _score_or_fail(task: GroupTask) -> tuple[CellResult, ...]:
    try:
        return _score(task)
    except Exception as error:  # noqa: BLE001 - an application error becomes rows; lost workers are retried
        _leave_to_policy(error, task)
        reason = _reason(error, task.label)
    return tuple(failed_result(cell.columns, reason) for cell in task.cells)


def _score(task: GroupTask) -> tuple[CellResult, ...]:
    place = (task.shards, task.subset, task.tower.image_size)
    shard = open_subset(*place)
    with _beside(verify_subset, *place):  # its digest is in the keys of the cells
        with phase("tower"):
            clip, read = _clip(task.tower, task.device)
        group = _Group(task)
        with torch.inference_mode():
            with phase("text"):
                group.start(shard, clip, read)
            with phase("images"):
                group.score(shard, clip)
    with phase("metrics"):
        return group.finish(shard)


@contextmanager
def _beside(work: Callable[..., object], *given: Any) -> Iterator[None]:
    """Do `work` in a thread meanwhile; an error of its own goes before one that comes from inside."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="beside") as thread:
        done = thread.submit(work, *given)
        try:
            yield
        finally:
            done.result()


def _clip(tower: TowerSpec, device: str) -> tuple[Clip, str]:
    """A tower that this process has used lately, and the digest of what it was read from.

    Groups come longest first, so towers take turns.
    """
    known = _towers.pop((tower, device), None)
    while not known and len(_towers) >= _TOWERS:
        _towers.pop(next(iter(_towers)))
    _towers[tower, device] = known or (
        load_clip(tower, device=device),
        tower_digest(tower.model, tower.weights),
    )
    return _towers[tower, device]


def _free_memory(task: GroupTask) -> None:
    """Give up all towers but that of `task`, and what the allocators keep for later."""
    for key in [key for key in _towers if key != (task.tower, task.device)]:
        del _towers[key]
    gc.collect()
    release_memory()
    if task.device == "cuda":
        torch.cuda.empty_cache()


def _leave_to_policy(error: Exception, task: GroupTask) -> None:
    """Raise what is no application error: a lost device, and short memory while the batch can be halved."""
    if isinstance(error, LostWorkerError):
        raise error
    message = str(error).partition("\n")[0]
    if device_is_lost(task.device):
        raise LostWorkerError(f"its GPU answers no more: {message}") from error
    if task.batch > 1 and out_of_memory(error):
        raise OutOfMemoryError(message) from error


def _reason(error: Exception, label: str) -> str:
    """What a failed row says; an error that no user is meant to read leaves its traceback in the log."""
    if isinstance(error, ZsadError | OSError):
        return as_message(error)
    log.warning("%s failed", label, exc_info=error)
    return f"{type(error).__name__}: {error}"


class _Group:
    """The cells of a group that still run, and the results of those that ended."""

    def __init__(self, task: GroupTask) -> None:
        self._task = task
        self.runs: list[_CellRun] = []
        self._results: dict[str, CellResult] = {}

    @contextmanager
    def cell(self, task: CellTask) -> Iterator[None]:
        """Whatever is raised inside ends this cell only."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - a method may raise anything
            _leave_to_policy(error, self._task)
            self.runs = [run for run in self.runs if run.task is not task]
            self._results[task.content_key] = failed_result(task.columns, _reason(error, task.cell.key.name))

    def start(self, shard: SubsetShard, clip: Clip, read: str) -> None:
        for cell_task in self._task.cells:
            with self.cell(cell_task):
                method = _build(cell_task, clip)
                _require_weights(cell_task, read)
                text = _text(self._task, cell_task, method)
                examples = ExampleSelection(shard.labels, shard.paths)
                pixels = pixel_state(clip.device, len(self._task.cells))
                self.runs.append(_CellRun(cell_task, method, text, examples, pixels))

    def score(self, shard: SubsetShard, clip: Clip) -> None:
        taps: frozenset[Tap] = frozenset().union(*(run.method.taps for run in self.runs))
        size = fitting_batch(clip, taps, share=self._task.fitted_to, most=self._task.batch)
        if whole := [run for run in self.runs if isinstance(run.method, BatchMethod)]:
            self._score_whole(whole, shard, clip, taps, size)
            return
        batches, done = read_batches(shard, size, clip.device), 0
        for batch in ahead(batches) if taps else ():
            features = clip.encode_image(batch.images, taps)
            for run in tuple(self.runs):
                with self.cell(run.task):
                    run.score(features, batch.masks, batch.names)
            if not self.runs:
                return
            scored(done := done + len(batch.names))

    def _score_whole(
        self, runs: Sequence["_CellRun"], shard: SubsetShard, clip: Clip, taps: frozenset[Tap], size: int
    ) -> None:
        """The cells of the batch track: a group has these alone."""
        with features_folder() as folder:
            features = keep_features(clip, shard.images, taps, batch=size, folder=folder)
            for run in runs:
                with self.cell(run.task):
                    run.score_whole(features, shard, size)
        scored(len(shard))

    def finish(self, shard: SubsetShard) -> tuple[CellResult, ...]:
        for run in tuple(self.runs):
            with self.cell(run.task):
                self._results[run.task.content_key] = run.finish(shard)
        return tuple(self._results[cell.content_key] for cell in self._task.cells)


def _text(task: GroupTask, cell: CellTask, method: Method) -> Tensor | None:
    """The text side of a cell; one pair of features is encoded by the first worker of the project alone."""
    made_by = [method.name, *(cell.columns[name] for name in ("code", "weights", "params"))]
    class_name = task.class_name if method.class_aware else None
    key = value_digest([*made_by, class_name, task.device, task.threads, *_arithmetic()])
    store, shape = TextStore(), (2, method.clip.embed_dim)
    if (known := store.get(key, shape)) is not None:
        return torch.tensor(known, device=method.clip.device)
    text = method.text_features(task.class_name)
    if text is None:
        return None
    if tuple(text.shape) == shape and text.dtype == torch.float32 and text.isfinite().all():
        store.put(key, text.cpu().numpy())
    return text


@cache
def _arithmetic() -> list[Any]:
    """What rounds the last digits: libraries, and the instructions that they choose on this processor."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return [library_versions(), torch.backends.cpu.get_cpu_capability(), gpu]


def _build(task: CellTask, clip: Clip) -> Method:
    method = methods.build(task.cell.key.method, task.cell.resolved.settings, clip)
    if isinstance(method, LearntMethod) and task.cell.resolved.learnt:
        if task.weights is None:
            raise ZsadError(f"{task.cell.key.name}: has no learnt weights")
        load_checkpoint(task.weights, method)
    return method


def _require_weights(task: CellTask, tower: str) -> None:
    """Refuse weights that were replaced since the key of the cell was made.

    Raises:
        ZsadError: they were; the numbers would be kept under a key that is not theirs.
    """
    learnt = None if task.weights is None else file_digest(task.weights)
    if weights_digest(tower, learnt) != task.columns["weights"]:
        raise ZsadError(f"{task.cell.key.name}: its weights were replaced during the run; run it again")


@dataclass
class _CellRun:
    """A cell on its way: what it has scored so far, or why it stopped."""

    task: CellTask
    method: Method
    text: Tensor | None
    examples: ExampleSelection
    pixels: PixelState | DevicePixels
    image_scores: list[NDArray[np.float32]] = field(default_factory=list)
    waiting: list[Scores] = field(default_factory=list)  # with small maps, on the device

    def score(self, features: Features, masks: Masks | None, names: Sequence[str]) -> None:
        self._add(self.method.score(features, self.text), masks, names)

    def score_whole(self, features: Features, shard: SubsetShard, size: int) -> None:
        """Score all images of `shard`, whose features are given; `size` of their maps at a time."""
        assert isinstance(self.method, BatchMethod)  # noqa: S101 - of the batch track
        pieces = self.method.score_subset(features, self.text, size)
        batches = ahead(read_batches(shard, size, self.method.clip.device))
        for scores, batch in zip(pieces, batches, strict=True):
            self._add(scores, batch.masks, batch.names)

    def _add(self, scores: Scores, masks: Masks | None, names: Sequence[str]) -> None:
        if isinstance(self.pixels, DevicePixels):
            self.waiting.append(Scores(scores.image, small_maps(scores.maps)))
            if len(self.waiting) == _WAITING:
                self._fetch()
        else:
            self._take(scores.image, scores.maps)
        if masks is not None:
            self.pixels.update(scores.maps, masks, names)

    def _fetch(self) -> None:
        """Take what waits on the device at once: a copy from there waits for all work before it."""
        if self.waiting:
            image, maps = zip(*((it.image, it.maps) for it in self.waiting), strict=True)
            self._take(torch.cat(image), torch.cat(maps))
            self.waiting.clear()

    def _take(self, image: Tensor, maps: Tensor) -> None:
        scores = image.cpu().numpy()
        self.examples.update(sum(map(len, self.image_scores)), scores, maps)
        self.image_scores.append(scores)

    def finish(self, shard: SubsetShard) -> CellResult:
        self._fetch()
        scores = np.concatenate(self.image_scores)
        values = image_metrics(shard.labels, scores)
        measured: dict[str, Any] = asdict(values)
        intervals = image_intervals(shard.labels, scores, values)
        if shard.packed is not None:
            pixels = self.pixels.finish()
            measured |= asdict(pixels)
            intervals |= pixel_intervals(self.pixels.sketches, pixels)
        row = CellRow(
            status="ok",
            n_images=len(shard),
            n_normal=int((shard.labels == 0).sum()),
            n_anomalous=int((shard.labels == 1).sum()),
            **self.task.columns,
            **measured,
            **_interval_columns(intervals),
        )
        image_scores = CellScores(shard.paths, shard.labels, scores.astype(np.float64))
        return CellResult(row, image_scores, self.examples.finish())


def _interval_columns(intervals: Mapping[str, Interval]) -> dict[str, Any]:
    return {
        column: value
        for metric, interval in intervals.items()
        for column, value in zip(spread_columns(metric), interval, strict=True)
    }


@dataclass(frozen=True)
class ImageBatch:
    """Some images: uint8 (B, S, S, 3), their names, and what their masks say where there are masks."""

    images: Tensor
    names: tuple[str, ...]
    masks: Masks | None


def read_batches(shard: SubsetShard, size: int, device: torch.device) -> Iterator[ImageBatch]:
    """The images of `shard` in order, at most `size` at a time.

    Args:
        shard: A prepared subset.
        size: Images a batch.
        device: Of the tower. What goes to a CUDA device is pinned: its copy runs beside the work there.
    """
    for number, start in enumerate(range(0, len(shard), size)):
        if number % _RELEASE == _RELEASE - 1:
            release_memory()
        rows = slice(start, min(start + size, len(shard)))
        images = torch.from_numpy(np.array(shard.images[rows]))
        names, masks = shard.paths[rows], shard.masks(rows.start, rows.stop)
        regions = None if masks is None else label_masks(masks, names)
        there = None if regions is None else masks_on(device, regions)
        yield ImageBatch(images.pin_memory() if device.type == "cuda" else images, names, there)


def ahead(items: Iterator[T]) -> Iterator[T]:
    """The same items in the same order; the next one is made in a thread while this one is in use."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="ahead") as thread:
        coming = thread.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = thread.submit(next, items, None)
            yield item


def release_memory() -> None:
    """Return every free page to the system; some 10 ms, and as much again until they are in use again.

    A batch makes large arrays that go and small ones that stay. What is free then lies in holes between the
    small ones; glibc keeps these pages, and as new arrays do not always fit the old holes, a process would
    grow with the number of images, whatever it holds.
    """
    if _TRIM is not None:
        _TRIM(0)
