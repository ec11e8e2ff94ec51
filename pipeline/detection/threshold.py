"""A threshold for image scores, carried over from a data set with labels at a stated false positive rate.

Nothing is scored for it: an evaluation has scored that data set with the same detector, which its rows tell
by the digests of settings, tower and learnt weights. The rate holds for normal images like those of that
data set. On others the scores may lie elsewhere; a few normal images of one's own say by how much.
"""

from dataclasses import asdict, dataclass
from pathlib import Path

from pipeline.detection.detector import Detector
from pipeline.detection.folder import FolderScores
from pipeline.errors import DataError, count
from pipeline.execution.tasks import params_digest, tower_digest, weights_digest
from pipeline.files import file_digest, write_json
from pipeline.results.parquet import read_metrics, read_scores
from pipeline.tables.all_metrics import threshold

FILE = "threshold.json"

_CELL = ["dataset", "subset", "method", "variant", "seed"]


@dataclass(frozen=True)
class Threshold:
    """The lowest image score of `dataset` that at most a share `rate` of its normal images exceeds.

    Attributes:
        value: an image score.
        rate: the false positive rate that was asked for, in (0, 1).
        normals: normal images that it stands on.
        above: those of them whose score is higher.
    """

    value: float
    rate: float
    dataset: str
    normals: int
    above: int


def carried_over(detector: Detector, results: Path, dataset: str, rate: float) -> Threshold:
    """The threshold from the results of an evaluation.

    Args:
        detector: the method that scores.
        results: folder of a profile, such as `results/paper`.
        dataset: with labels; for a learnt method one that it was not tuned on, as no other is evaluated.
        rate: in (0, 1).

    Raises:
        DataError: nothing there is from this detector on `dataset`.
        ResultsError: the results are damaged, or there are none.
    """
    metrics = read_metrics(results / "metrics")
    weights, params = _digests(detector)
    same = metrics[
        (metrics["method"] == detector.method.name)
        & (metrics["weights"] == weights)
        & (metrics["params"] == params)
        & (metrics["status"] == "ok")
    ]
    cells = same.loc[same["dataset"] == dataset, _CELL]
    if cells.empty:
        known = ", ".join(dict.fromkeys(same["dataset"])) or "none"
        raise DataError(
            f"{results}: no scores of {dataset} by this method with these settings and weights; "
            f"data sets that have some: {known}"
        )
    scores = read_scores(results / "scores").merge(cells, on=_CELL)
    normal = scores.loc[scores["label"] == 0, "score"].to_numpy(float)
    if not len(normal):
        raise DataError(f"{results}: {dataset} has no normal image, so no false positive rate")
    value = threshold(normal, rate)
    return Threshold(value, rate, dataset, len(normal), int((normal > value).sum()))


def write_above(out: Path, threshold: Threshold, done: FolderScores) -> tuple[str, str]:
    """Write `threshold.json`: the threshold, and the images of a folder whose score is above it.

    Returns:
        What a reader has to know.
    """
    above = [name for name, score in zip(done.names, done.scores, strict=True) if score > threshold.value]
    write_json(out / FILE, {**asdict(threshold), "images_above": above})
    return (
        f"threshold {threshold.value:.6g}: {count(threshold.above, 'normal image')} of {threshold.normals} in"
        f" {threshold.dataset} are above it, at most {100 * threshold.rate:.3g} % of them as asked for;"
        f" here {len(above)} of {len(done.names)}, named in {out / FILE}",
        f"this rate is that of images like {threshold.dataset}'s; score some normal images of your own to see"
        " how many of those are above it",
    )


def _digests(detector: Detector) -> tuple[str, str]:
    """Columns `weights` and `params` of the rows of cells that ran as `detector` does."""
    tower = asdict(detector.method.clip.spec)
    del tower["name"]
    learnt = file_digest(detector.checkpoint) if detector.checkpoint else None
    settings = detector.method.settings.model_dump(mode="json")
    return (
        weights_digest(tower_digest(tower["model"], tower["weights"]), learnt),
        params_digest(settings, tower),
    )
