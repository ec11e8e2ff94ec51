"""Score any folder of images with one method: one pass of the tower, one row an image.

Images are read ahead and scored in batches; only names and scores stay in memory. A file that gives no image
or no finite score is left out with its reason, and the others are scored.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path

import numpy as np
import torch

from pipeline.errors import ParamsError
from pipeline.execution.detector import Detector
from pipeline.execution.folder_images import Picture, Unreadable, list_images, read_batches
from pipeline.execution.folder_outputs import write_map, write_overlay, write_scores
from pipeline.execution.progress import progress
from pipeline.methods.base import Scores


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
    """

    folder: Path
    out: Path
    class_name: str | None = None
    batch: int = 16
    maps: bool = False
    overlays: bool = False


@dataclass
class FolderScores:
    """Names and scores of the images that were scored, and the files that were left out."""

    names: list[str] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    left_out: list[Unreadable] = field(default_factory=list)


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
        raise ParamsError(f"{method.name} reads the class name: say what the images show, such as `bottle`")
    listing = list_images(task.folder, task.out)
    run = _FolderRun(task, detector, report)
    for refused in listing.refused:
        run.leave_out(refused)
    total = len(listing.names)
    size = method.clip.spec.image_size
    with torch.inference_mode(), progress("score", ceil(total / task.batch)) as steps:
        for batch in read_batches(task.folder, listing.names, size, task.batch):
            run.score(batch)
            steps.step(f"{run.seen} of {total} images")
    class_name = task.class_name if method.class_aware else None
    facts = {**detector.facts(), "class_name": class_name}
    write_scores(task.out, run.done.names, run.done.scores, facts)
    return run.done


class _FolderRun:
    """A folder on its way: what is scored so far."""

    def __init__(
        self, task: FolderTask, detector: Detector, report: Callable[[Unreadable], None] | None
    ) -> None:
        self._task, self._method, self._report = task, detector.method, report
        with torch.inference_mode():
            self._text = self._method.text_features(task.class_name or "")
        self.done = FolderScores()
        self.seen = 0

    def leave_out(self, file: Unreadable) -> None:
        self.done.left_out.append(file)
        if self._report:
            self._report(file)

    def score(self, batch: list[Picture | Unreadable]) -> None:
        self.seen += len(batch)
        for item in batch:
            if isinstance(item, Unreadable):
                self.leave_out(item)
        pictures = [item for item in batch if isinstance(item, Picture)]
        if not pictures:
            return
        images = torch.from_numpy(np.stack([picture.pixels for picture in pictures]))
        features = self._method.clip.encode_image(images, self._method.taps)
        self._keep(pictures, self._method.score(features, self._text))

    def _keep(self, pictures: list[Picture], scores: Scores) -> None:
        maps = scores.maps.cpu().numpy() if self._task.maps or self._task.overlays else None
        for row, (picture, score) in enumerate(zip(pictures, scores.image.tolist(), strict=True)):
            if not np.isfinite(score):
                self.leave_out(Unreadable(picture.name, f"its score is {score}"))
                continue
            self.done.names.append(picture.name)
            self.done.scores.append(score)
            if maps is not None and self._task.maps:
                write_map(self._task.out, picture.name, maps[row])
            if maps is not None and self._task.overlays:
                write_overlay(self._task.out, picture, maps[row])
