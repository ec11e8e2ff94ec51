"""One group of cells from prepared images to metrics: the inside of a worker.

The images of the subset go through the tower once, and every cell of the group is scored from that pass;
what goes wrong with one cell ends that cell, not the group. A cell of the batch track is scored from the
features of all images, which are kept meanwhile. Of a range of images, parts of the cells are kept; a group
takes those that there are, scores the other images, and finishes its cells.
"""

import gc
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from functools import cache
from typing import Any

import torch
from threadpoolctl import threadpool_limits
from torch import Tensor

from pipeline import methods
from pipeline.clip import Clip, Tap, TowerSpec, load_clip
from pipeline.clip.features import features_folder, keep_features
from pipeline.clip.memory import fitting_batch
from pipeline.errors import ZsadError, as_message
from pipeline.execution.batches import ahead, read_batches, release_memory
from pipeline.execution.parts import CellRun
from pipeline.execution.retries import LostWorkerError, OutOfMemoryError, device_is_lost, out_of_memory
from pipeline.execution.store import PartStore, TextStore
from pipeline.execution.tasks import CellTask, GroupTask, failed_result, tower_digest, weights_digest
from pipeline.execution.usage import phase, scored
from pipeline.files import file_digest, value_digest
from pipeline.methods.base import LearntMethod, Method
from pipeline.methods.batch import BatchMethod
from pipeline.methods.few_shot import FewShotMethod
from pipeline.plan import stretches
from pipeline.results import CellResult, library_versions
from pipeline.shards import SubsetShard, open_references, open_subset, subset_stamp, verify_subset
from pipeline.training import load_checkpoint

log = logging.getLogger(__name__)

_TOWERS = 3  # that a worker keeps loaded: those of the paper profile, 4 GB in float32
# With their devices, and what they were read from; the one used last stands last.
_towers: dict[tuple[TowerSpec, str], tuple[Clip, str]] = {}


def score_group(task: GroupTask) -> tuple[CellResult, ...]:
    """Score every cell of a group, or of a range of its images, from one tower pass over them.

    Returns:
        One result per cell, in the order of `task.cells`; a cell that failed carries the reason. Of a range
        only the cells that failed: the others have parts, or none where those cannot be kept.

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
    shard = open_subset(task.shards, task.subset, task.tower.image_size)
    group = _Group(task, shard)
    if task.rows is None:
        for rows, kept in stretches(len(shard), task.kept):
            if not (kept and group.add(rows)):
                group.score(rows)
        group.finish()
    elif PartStore(task.parts).is_writable():
        group.score(task.rows)
        group.keep(task.rows)
    else:
        log.warning("%s: not scored, as %s cannot be written here", task.label, task.parts)
    return group.results


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

    def __init__(self, task: GroupTask, shard: SubsetShard) -> None:
        self._task, self._shard = task, shard
        self._runs = [CellRun(cell, shard, task.rows.start if task.rows else 0) for cell in task.cells]
        self._ready: dict[str, tuple[Method, Any]] = {}  # with its text side, and memory where it has one
        self._results: dict[str, CellResult] = {}
        self._parts = PartStore(task.parts)
        self._done = 0

    @contextmanager
    def _cell(self, task: CellTask) -> Iterator[None]:
        """Whatever is raised inside ends this cell only."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - a method may raise anything
            _leave_to_policy(error, self._task)
            self._runs = [run for run in self._runs if run.task is not task]
            self._results[task.content_key] = failed_result(task.columns, _reason(error, task.cell.key.name))

    @property
    def results(self) -> tuple[CellResult, ...]:
        """Of the cells that ended, in the order of the task."""
        return tuple(self._results[key] for key in self._task.keys if key in self._results)

    def score(self, rows: range) -> None:
        """Score some images."""
        place = (self._task.shards, self._task.subset, self._task.tower.image_size)
        # Its digest is in the keys of the cells. Once a subset: by whoever has its first image, and by a node
        # whose files are other ones than those of the driver.
        verify = rows.start == 0 or subset_stamp(*place) != self._task.parts.name
        with _beside(verify_subset, *place) if verify else nullcontext():
            with phase("tower"):
                clip, read = _clip(self._task.tower, self._task.device)
            with torch.inference_mode():
                if not self._ready:
                    with phase("text"):
                        self._start(clip, read)
                with phase("images"):
                    self._pass(rows, clip)

    def _start(self, clip: Clip, read: str) -> None:
        for run in tuple(self._runs):
            with self._cell(run.task):
                method = _build(run.task, clip)
                _require_weights(run.task, read)
                text = _text(self._task, run.task, method)
                if isinstance(method, FewShotMethod):
                    text = method.beside(self._references(method), text)
                self._ready[run.task.content_key] = method, text
                run.count_on(clip.device, len(self._task.cells))

    def _references(self, method: FewShotMethod) -> Tensor:
        task, shots = self._task, method.settings.shots
        images = open_references(task.shards, task.subset, task.tower.image_size, shots)
        return torch.from_numpy(images)

    def _pass(self, rows: range, clip: Clip) -> None:
        if not self._runs:
            return
        taps: frozenset[Tap] = frozenset().union(*(method.taps for method, _ in self._ready.values()))
        size = fitting_batch(clip, taps, share=self._task.fitted_to, most=self._task.batch)
        if self._task.track == BatchMethod.track:
            self._pass_whole(clip, taps, size)
            return
        for batch in ahead(read_batches(self._shard, size, clip.device, rows)):
            features = clip.encode_image(batch.images, taps)
            for run in tuple(self._runs):
                with self._cell(run.task):
                    method, text = self._ready[run.task.content_key]
                    run.take(method.score(features, text), batch.masks, batch.names)
            if not self._runs:
                return
            self._count(len(batch.names))

    def _pass_whole(self, clip: Clip, taps: frozenset[Tap], size: int) -> None:
        """Score the cells of the batch track, which see all images; a group has these alone."""
        with features_folder() as folder:
            features = keep_features(clip, self._shard.images, taps, batch=size, folder=folder)
            for run in tuple(self._runs):
                with self._cell(run.task):
                    method, text = self._ready[run.task.content_key]
                    assert isinstance(method, BatchMethod)  # noqa: S101 - of the batch track
                    batches = ahead(read_batches(self._shard, size, clip.device))
                    for scores, batch in zip(method.score_subset(features, text, size), batches, strict=True):
                        run.take(scores, batch.masks, batch.names)
        self._count(len(self._shard))

    def _count(self, images: int) -> None:
        self._done += images
        scored(self._done)

    def keep(self, rows: range) -> None:
        """Keep what the cells have of the images `rows` as parts."""
        for run in tuple(self._runs):
            with self._cell(run.task), phase("parts"):
                self._parts.put(run.task.content_key, rows, run.part())

    def add(self, rows: range) -> bool:
        """Add the parts of the images `rows`; false where not every cell has one that is whole."""
        with phase("parts"):
            # Read twice, so that one part at a time is in memory and none is added where another one lacks.
            if any(self._parts.get(run.task.content_key, rows) is None for run in self._runs):
                return False
            for run in tuple(self._runs):
                with self._cell(run.task):
                    run.add(self._parts.get(run.task.content_key, rows) or {}, rows)
        self._count(len(rows))
        return True

    def finish(self) -> None:
        """Finish the cells that still run."""
        for run in tuple(self._runs):
            with self._cell(run.task), phase("metrics"):
                self._results[run.task.content_key] = run.finish()


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
