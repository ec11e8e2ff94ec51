"""Groups that are too long for one worker, cut into ranges of images that several can score at a time.

How long a range may be is the plan's rule (`pipeline.plan.longest_range`). Each range is tried, retried and
given up as a group is. A worker keeps what the cells have of it as parts; when the last range has ended, the
group itself is run: it finds all images scored, adds the parts up and finishes its cells.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from threading import Lock

from pipeline.execution.tasks import GroupTask
from pipeline.plan import cut, longest_range, stretches
from pipeline.results import CellResult


def in_pieces(tasks: Sequence[GroupTask], workers: int) -> list[tuple[GroupTask, list[GroupTask]]]:
    """Each group with the pieces in which so many workers do it: its ranges, or the group itself.

    Images that are `kept` are in no range. What has a method that needs the whole subset is never cut.
    """
    most = longest_range(sum(task.images_to_score for task in tasks), workers)
    return [(task, _pieces(task, most)) for task in tasks]


def _pieces(task: GroupTask, most: float) -> list[GroupTask]:
    without = (rows for rows, kept in stretches(task.images, task.kept) if not kept)
    ranges = [rows for found in without for rows in cut(found, most, task.batch)]
    if len(ranges) < 2 or task.track == "batch":
        return [task]
    return [replace(task, rows=rows, images=len(rows), kept=()) for rows in ranges]


def length(task: GroupTask) -> int:
    """Pixels that pass the tower: of what is known of groups beforehand, nearest to how long they take."""
    return task.images_to_score * task.tower.image_size**2


class Split:
    """A group that is cut: which of its ranges are not over yet, and which of its cells have failed.

    Safe for several threads.
    """

    def __init__(self, whole: GroupTask, pieces: Sequence[GroupTask]) -> None:
        ranges = [piece.rows for piece in pieces if piece.rows is not None]
        self._whole = replace(whole, kept=(*whole.kept, *ranges))
        self._open = len(ranges)
        self._failed: set[str] = set()
        self._lock = Lock()

    def living(self, task: GroupTask) -> GroupTask:
        """The group or a range of it without the cells that have failed in another range."""
        with self._lock:
            return replace(task, cells=tuple(it for it in task.cells if it.content_key not in self._failed))

    def end(self, failed: Iterable[CellResult]) -> tuple[tuple[CellResult, ...], GroupTask | None]:
        """Note that a range is over.

        Args:
            failed: results of the cells that failed in it.

        Returns:
            Those of them that had not failed before; and the group to be finished, None while another range
            is not over, or if no cell is left.
        """
        with self._lock:
            new = tuple(it for it in failed if it.row.cell_key not in self._failed)
            self._failed.update(it.row.cell_key for it in new if it.row.cell_key)
            self._open -= 1
            if self._open:
                return new, None
        whole = self.living(self._whole)
        return new, whole if whole.cells else None
