"""Score any folder of images with one method: one pass of the tower, one row per image.

Images are found, decoded ahead of the tower, resized as the benchmark's and scored in batches; only names and
scores stay in memory, and two batches at most. A file that gives no image or no finite score is left out with
its reason, and the others are scored. Results are `scores.parquet` and, on request, one map and one overlay
per image, which keep the folder structure and the whole file name: `a.png` and `a.jpg` do not meet.

Every finished batch goes to a journal beside the results, `scores.part`, until all are done. A run that was
killed goes on behind it, in the same batches, so its result has the bytes of an undisturbed one.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from pipeline.catalog.images import decode, depth_note, depth_of, orientation_of, peak_of, read_image
from pipeline.catalog.roles import mask_paths
from pipeline.catalog.tree import IMAGE_SUFFIXES, UNREAD, is_image, is_picture, read_tree
from pipeline.detection.detector import Detector
from pipeline.detection.overlay import write_overlay
from pipeline.errors import DataError, ParamsError
from pipeline.execution.tasks import code_digest
from pipeline.files import Journal, atomic_path, file_digest, value_digest, write_bytes
from pipeline.methods.base import Method, Scores
from pipeline.progress import progress
from pipeline.results import library_versions
from pipeline.results.parquet import to_bytes
from pipeline.shards.arrays import image_array
from pipeline.shards.reader import Bytes

SCORES = "scores.parquet"
PART = "scores.part"
SCHEMA = pa.schema(
    [pa.field("image", pa.string(), nullable=False), pa.field("score", pa.float64(), nullable=False)]
)
DETECTOR_KEY = "zsad.detector"  # in the footer

Map = NDArray[np.float32]

_WORKERS = 2  # decoding is a fraction of the tower's time


class Picture(NamedTuple):
    """One decoded image: name in the folder, (S, S, 3) RGB, stored width and height, whether to be turned.

    `content` is the SHA-256 of its file.
    """

    name: str
    pixels: Bytes
    shape: tuple[int, int]
    turned: bool = False
    content: str = ""


class Unreadable(NamedTuple):
    """One file that gives no image, and why; `content` is its SHA-256, None where it could not be read."""

    name: str
    reason: str
    content: str | None = None


def list_images(
    folder: Path, leave_out: Path
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[Unreadable, ...]]:
    """Every image below `folder`, but nothing below `leave_out`, where results go.

    Returns:
        Images and masks, sorted relative POSIX paths, and entries that must not or cannot be read.

    Raises:
        DataError: there is no such folder, or no image in it.
    """
    tree = read_tree(folder)
    written = leave_out.resolve()
    names = [
        path
        for path in tree.paths()
        if is_image(path) and not (folder / path).resolve().is_relative_to(written)
    ]
    masks = mask_paths(tree)
    images = tuple(sorted(name for name in names if name not in masks))
    if not images:
        what = f"no image in it but masks, such as {names[0]}" if names else "no image in it"
        raise DataError(f"{folder}: {what}; known are {', '.join(sorted(IMAGE_SUFFIXES))}")
    unread = {path: UNREAD for path in tree.paths() if is_picture(path) and not is_image(path)}
    refused = tuple(Unreadable(path, reason) for path, reason in sorted({**unread, **tree.refused}.items()))
    return images, tuple(sorted(masks.intersection(names))), refused


def find_peaks(folder: Path, names: Sequence[str]) -> list[int]:
    """The largest value of every image of 16 bits; of the others the header alone is read."""

    def peak(name: str) -> int | None:
        try:
            with (folder / name).open("rb") as file:
                return peak_of(file, name)
        except (DataError, OSError):
            return None  # said when it is scored

    with ThreadPoolExecutor(_WORKERS) as pool:
        return [found for found in pool.map(peak, names) if found is not None]


def read_picture(folder: Path, name: str, size: int, bit_depth: int | None = None) -> Picture | Unreadable:
    """One image as every prepared image is made; never raises for what lies in the file."""
    digest = None
    try:
        content = read_image(folder / name, name)
        digest = sha256(content).hexdigest()
        image = decode(content, name, bit_depth)
        return Picture(name, image_array(image, size), image.size, orientation_of(image) != 1, digest)
    except (DataError, OSError) as error:
        return Unreadable(name, str(error).removeprefix(f"{name}: "), digest)


def read_batches(
    folder: Path, chunks: Sequence[Sequence[str]], size: int, bit_depth: int | None = None
) -> Iterator[list[Picture | Unreadable]]:
    """The images of `chunks` in order, a chunk at a time; the next one is decoded meanwhile."""
    with ThreadPoolExecutor(_WORKERS) as pool:

        def submit(chunk: Sequence[str]) -> Iterator[Picture | Unreadable]:
            return pool.map(lambda name: read_picture(folder, name, size, bit_depth), chunk)

        coming: Iterator[Picture | Unreadable] | None = None
        for chunk in [*chunks, ()]:
            ready, coming = coming, submit(chunk)
            if ready is not None:
                yield list(ready)


def write_scores(out: Path, names: Sequence[str], scores: Sequence[float], facts: Mapping[str, Any]) -> Path:
    """Write one row per image.

    Args:
        out: Folder of the results.
        names: Relative path of each image.
        scores: Higher is more anomalous; finite.
        facts: What they depend on; goes into the footer as JSON.
    """
    table = pa.Table.from_arrays(
        [pa.array(names, pa.string()), pa.array(scores, pa.float64())], schema=SCHEMA
    )
    text = json.dumps(facts, sort_keys=True, ensure_ascii=False, allow_nan=False)
    write_bytes(out / SCORES, to_bytes(table, {DETECTOR_KEY: text}))
    return out / SCORES


def write_map(out: Path, name: str, values: Map) -> None:
    """Write the anomaly map of an image, (S, S), as array `map` of `maps/<name>.npz`."""
    with atomic_path(out / "maps" / f"{name}.npz") as temporary, temporary.open("wb") as handle:
        np.savez_compressed(handle, map=values)


@dataclass(frozen=True)
class FolderTask:
    """What to score and what to write.

    Attributes:
        folder: Of images, at any depth.
        out: Where results go.
        class_name: What the images show; needed by class-aware methods, not read by the others.
        batch: Images a pass.
        maps: Whether to write every anomaly map.
        overlays: Whether to write every heatmap.
        bit_depth: Of what is stored in 16 bits; None: by the largest value of the folder.
    """

    folder: Path
    out: Path
    class_name: str | None = None
    batch: int = 16
    maps: bool = False
    overlays: bool = False
    bit_depth: int | None = None


@dataclass
class FolderScores:
    """Names and scores of the images that were scored, masks that were not, and files that were left out.

    The first `kept` images were read by a run that was killed. `depth_note` says by which bit depth images of
    16 bits were read, when that was found; `turned` counts the scored ones with an orientation tag, which is
    not applied.
    """

    names: list[str] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    left_out: list[Unreadable] = field(default_factory=list)
    masks: tuple[str, ...] = ()
    kept: int = 0
    depth_note: str = ""
    turned: int = 0


def score_folder(
    task: FolderTask, detector: Detector, report: Callable[[Unreadable], None] | None = None
) -> FolderScores:
    """Score every image of a folder and write `scores.parquet`, maps and overlays below `task.out`.

    Args:
        task: What to score and what to write.
        detector: The method.
        report: Called with each file that is left out, at once.

    Raises:
        DataError: there is no such folder, or no image in it.
        ParamsError: a class-aware method got no class name.
    """
    method = detector.method
    if method.class_aware and not task.class_name:
        raise ParamsError(
            f"{method.name} reads the class name: say what the images show, such as --class-name bottle"
        )
    names, masks, refused = list_images(task.folder, task.out)
    chunks = [names[start : start + task.batch] for start in range(0, len(names), task.batch)]
    depth, note = task.bit_depth, ""
    if depth is None and (peaks := find_peaks(task.folder, names)):
        depth, note = depth_of(max(peaks)), depth_note(peaks)
    class_name = task.class_name if method.class_aware else None
    facts = {**detector.facts(), "class_name": class_name, "bit_depth": depth}
    run = _FolderRun(replace(task, bit_depth=depth), method, report, _journal(task, facts, names))
    run.done.depth_note = note
    run.done.masks = masks
    for file in refused:
        run.leave_out(file)
    while chunks and run.take(chunks[0]):
        chunks.pop(0)
    run.done.kept = run.seen
    size = method.clip.spec.image_size
    with torch.inference_mode(), progress("score", len(chunks)) as steps:
        for batch in read_batches(task.folder, chunks, size, depth):
            run.score(batch)
            steps.step(f"{run.seen} of {len(names)} images")
    write_scores(task.out, run.done.names, run.done.scores, facts)
    run.journal.remove()
    return run.done


def _journal(task: FolderTask, facts: Mapping[str, Any], names: Sequence[str]) -> Journal:
    """The journal of this work: of the same method, images, batches, outputs, code and libraries."""
    work = [facts, names, task.batch, task.maps, task.overlays]
    return Journal(task.out / PART, value_digest([*work, code_digest(facts["method"]), library_versions()]))


class _FolderRun:
    """A folder on its way: what is scored so far."""

    def __init__(
        self,
        task: FolderTask,
        method: Method,
        report: Callable[[Unreadable], None] | None,
        journal: Journal,
    ) -> None:
        self._task, self._method, self._report, self.journal = task, method, report, journal
        with torch.inference_mode():
            self._text = self._method.text_features(task.class_name or "")
        self.done = FolderScores()
        self.seen = 0

    def leave_out(self, file: Unreadable) -> None:
        self.done.left_out.append(file)
        if self._report:
            self._report(file)

    def take(self, names: Sequence[str]) -> bool:
        """Take over a batch that a killed run finished, if its images and outputs are still the same."""
        kept = self.journal.get(str(self.seen))
        if kept is None or not self._is_current(kept, names):
            return False
        self._add(kept)
        return True

    def _is_current(self, kept: Mapping[str, Any], names: Sequence[str]) -> bool:
        outputs = [output for name in kept["scores"] for output in self._outputs(name)]
        try:
            contents = [file_digest(self._task.folder / name) for name in names]
        except OSError:
            return False
        return contents == kept["contents"] and all(output.is_file() for output in outputs)

    def _outputs(self, name: str) -> list[Path]:
        out, task = self._task.out, self._task
        maps = [out / "maps" / f"{name}.npz"] if task.maps else []
        return maps + ([out / "overlays" / f"{name}.png"] if task.overlays else [])

    def score(self, batch: list[Picture | Unreadable]) -> None:
        """Score a batch and keep it, unless a file could not be read now and may be the next time."""
        contents = [item.content for item in batch]
        left_out = {item.name: item.reason for item in batch if isinstance(item, Unreadable)}
        scored: dict[str, float] = {}
        if pictures := [item for item in batch if isinstance(item, Picture)]:
            images = torch.from_numpy(np.stack([picture.pixels for picture in pictures]))
            features = self._method.clip.encode_image(images, self._method.taps)
            scores = self._method.score(features, self._text)
            self._write(pictures, scores)
            for picture, score in zip(pictures, scores.image.tolist(), strict=True):
                if np.isfinite(score):
                    scored[picture.name] = score
                else:
                    left_out[picture.name] = f"its score is {score}"
        turned = sum(picture.turned for picture in pictures if picture.name in scored)
        part = {"contents": contents, "scores": scored, "left_out": left_out, "turned": turned}
        if None not in contents:
            self.journal.keep(str(self.seen), part)
        self._add(part)

    def _add(self, part: Mapping[str, Any]) -> None:
        self.seen += len(part["contents"])
        self.done.names += part["scores"]
        self.done.scores += part["scores"].values()
        self.done.turned += part["turned"]
        for name, reason in part["left_out"].items():
            self.leave_out(Unreadable(name, reason))

    def _write(self, pictures: list[Picture], scores: Scores) -> None:
        if not (self._task.maps or self._task.overlays):
            return
        for picture, score, values in zip(
            pictures, scores.image.tolist(), scores.maps.cpu().numpy(), strict=True
        ):
            if self._task.maps and np.isfinite(score):
                write_map(self._task.out, picture.name, values)
            if self._task.overlays and np.isfinite(score):
                self._write_overlay(picture.name, values)

    def _write_overlay(self, name: str, values: Map) -> None:
        """The picture is read again: a batch of them at their own size may need gigabytes."""
        own = decode(read_image(self._task.folder / name, name), name, self._task.bit_depth)
        write_overlay(self._task.out / "overlays" / f"{name}.png", own, values)
