"""What a result is: the row of a cell, its image scores, and both together with its examples.

A cell is one method (or variant) on one subset with one seed. It ends `ok`, with counts, metrics and one
score an image, or `failed`, with the reason and nothing else. Metrics are shares in [0, 1]; undefined is
`None`, never 0 and never NaN. How records become files is the business of `cells`, `write` and `read`.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.cells import CellKey
from pipeline.errors import printable
from pipeline.results.examples import Example, problem
from pipeline.results.schema import (
    FEW_SHOT,
    INTERVAL_COLUMNS,
    METRICS,
    IntervalColumns,
    ResultsError,
    RuleColumns,
    Status,
    spread_columns,
)

LEFT_OUT: Final = "left out"
"""How the reason of a cell begins that was not to run."""
NOT_POSSIBLE: Final = "no references"
"""How that of a cell of the few-shot track begins whose subset has too few reference images."""

_NAME: Final = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.+-]*)?")  # goes into tables, pages and file names
_NEEDED_WHEN_OK: Final = (
    "image_size",
    "n_images",
    "n_normal",
    "n_anomalous",
    "build",
    "params",
    "code",
    "cell_key",
)


@dataclass(frozen=True, kw_only=True)
class CellRow(RuleColumns, IntervalColumns):
    """One row of `metrics/`: what was run, how it ended, what it measured, and what it was made from.

    A failed row may lack all but its identity and the reason: what stopped the cell may have stopped the
    digests too. Its columns about the rule are those of `RuleColumns`.

    Attributes:
        variant: name of an ablation, "" for the method as published.
        seed: `None` for a method without training.
        title: of the method as tables print it; `None` for a method that there is not.
        auxiliary: data set that a learnt method was tuned on.
        image_size: side in pixels of the square images that the tower saw.
        n_regions: connected anomalous regions, over which PRO is averaged.
        pro_points: thresholds that the 200-step protocol kept.
        pro_fpr_max: false positive rate at which its curve ends; small values make `pixel_pro` fragile.
        references: names of the reference images that a cell of the few-shot track saw, as a JSON list.
        limit: most images of the subset that a smoke run took; `None` for all.
        build: digest of the subset as prepared.
        weights: digest of the weights that scored: the tower's, and the method's own where it learns.
        params: digest of the settings that matter to this cell.
        code: digest of the code that computed it.
        cell_key: key of the cell in the cell store.

    Raises:
        ResultsError: a status that contradicts the other columns, or a number outside its range.
    """

    profile: str
    dataset: str
    subset: str
    method: str
    status: Status
    variant: str = ""
    seed: int | None = None
    title: str | None = None
    auxiliary: str | None = None
    error: str | None = None
    image_size: int | None = None
    n_images: int | None = None
    n_normal: int | None = None
    n_anomalous: int | None = None
    n_regions: int | None = None
    image_auroc: float | None = None
    image_ap: float | None = None
    image_f1_max: float | None = None
    pixel_auroc: float | None = None
    pixel_ap: float | None = None
    pixel_f1_max: float | None = None
    pixel_pro: float | None = None
    pixel_pro_exact: float | None = None
    pixel_pro_exact_005: float | None = None
    pro_points: int | None = None
    pro_fpr_max: float | None = None
    references: str | None = None
    limit: int | None = None
    build: str | None = None
    weights: str | None = None
    params: str | None = None
    code: str | None = None
    cell_key: str | None = None

    def __post_init__(self) -> None:
        self._check_texts()
        self.check_rule(self.name)
        match self.status:
            case "ok":
                self._check_ok()
            case "failed":
                self._check_failed()
            case _:
                raise ResultsError(f"{self.name}: status is {self.status!r}; it must be 'ok' or 'failed'")
        for name in (*METRICS, "pro_fpr_max", *INTERVAL_COLUMNS):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise ResultsError(f"{self.name}: {name} is {value}; a share in [0, 1] or None is needed")
        for metric in METRICS:
            self._check_interval(metric)

    def _check_texts(self) -> None:
        for part in ("dataset", "method", "variant"):
            if not _NAME.fullmatch(name := getattr(self, part)):
                raise ResultsError(f"a row has the {part} {name[:80]!a}, which no run can have written")
        for part in ("subset", "title", "protocol", "build_name", "shown_by", "references"):
            if not (text := getattr(self, part) or "").isprintable():
                raise ResultsError(f"a row has the {part} {text[:80]!a}, which no run can have written")
        if printable(error := self.error or "") != error:
            raise ResultsError(f"a row has the error {error[:80]!a}, which no run can have written")

    def _check_ok(self) -> None:
        if self.error is not None:
            raise ResultsError(f"{self.name}: an ok cell carries the error {self.error!r}")
        if absent := [name for name in _NEEDED_WHEN_OK if getattr(self, name) is None]:
            raise ResultsError(f"{self.name}: an ok cell lacks {', '.join(absent)}")

    def _check_failed(self) -> None:
        if not self.error:
            raise ResultsError(f"{self.name}: a failed cell must say why in `error`")
        if measured := [name for name in METRICS if getattr(self, name) is not None]:
            raise ResultsError(f"{self.name}: a failed cell carries {', '.join(measured)}")

    def _check_interval(self, metric: str) -> None:
        se, low, high = (getattr(self, name) for name in spread_columns(metric))
        if se is low is high is None:
            return
        if getattr(self, metric) is None or None in (se, low, high) or low > high:
            raise ResultsError(
                f"{self.name}: {metric} has the interval {low} to {high} with standard error {se};"
                " all three are needed beside a value, in order, or none"
            )

    @property
    def key(self) -> CellKey:
        """What makes the cell unique: data set, subset, method, variant, seed."""
        return CellKey(self.dataset, self.subset, self.method, self.variant, self.seed)

    @property
    def is_left_out(self) -> bool:
        """Whether it was not to run: what it needs was not there and params go without it, or cannot be."""
        return (self.error or "").startswith(LEFT_OUT) or self.is_impossible

    @property
    def is_impossible(self) -> bool:
        """Whether its subset has too few reference images for its track; a run without it is whole."""
        return self.track == FEW_SHOT and (self.error or "").startswith(NOT_POSSIBLE)

    @property
    def name(self) -> str:
        """The cell as messages name it, such as `anomalyclip on mvtec/bottle, seed 0`."""
        return self.key.name


ROW_FIELDS: Final = tuple(field.name for field in fields(CellRow))


@dataclass(frozen=True, eq=False)
class CellScores:
    """Image scores of a cell, in the order of the shard; higher means more anomalous.

    Args:
        images: relative path of each image. One path may occur more than once (pieces of a cut image).
        labels: (N,) of 0 (normal) and 1 (anomalous); kept as read-only int8.
        scores: (N,) finite; kept as read-only float64.

    Raises:
        ResultsError: lengths that differ, another label, a score that is not finite.
    """

    images: Sequence[str]
    labels: NDArray[np.integer[Any]]
    scores: NDArray[np.floating[Any]]

    def __post_init__(self) -> None:
        labels, scores = _vector(self.labels), _vector(self.scores)
        if not len(self.images) == len(labels) == len(scores):
            lengths = f"{len(self.images)} images, {len(labels)} labels, {len(scores)} scores"
            raise ResultsError(f"scores of a cell need equal lengths, not {lengths}")
        if not np.isin(labels, (0, 1)).all():
            raise ResultsError(f"a label is neither 0 nor 1: {sorted(set(labels.tolist()))}")
        for image, score in zip(self.images, scores.tolist(), strict=True):
            if not math.isfinite(score):
                raise ResultsError(f"{image}: the image score is {score}; it must be finite")
        object.__setattr__(self, "images", tuple(self.images))
        object.__setattr__(self, "labels", _frozen(labels, np.int8))
        object.__setattr__(self, "scores", _frozen(scores, np.float64))

    def __len__(self) -> int:
        return len(self.images)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, CellScores):
            return NotImplemented
        return (self.images, self.labels.tobytes(), self.scores.tobytes()) == (
            other.images,
            other.labels.tobytes(),
            other.scores.tobytes(),
        )

    def __hash__(self) -> int:
        return hash((self.images, self.labels.tobytes(), self.scores.tobytes()))


@dataclass(frozen=True)
class CellResult:
    """A cell's row with its image scores and examples: an ok cell has scores, a failed one has neither.

    Raises:
        ResultsError: scores that are there without need, or missing, or not as many as `row.n_images`;
            examples that are no rows of the scores, or damaged.
    """

    row: CellRow
    scores: CellScores | None
    examples: tuple[Example, ...] = ()

    def __post_init__(self) -> None:
        counted = None if self.scores is None else len(self.scores)
        wanted = self.row.n_images if self.row.status == "ok" else None
        if counted != wanted:
            raise ResultsError(f"{self.row.name}: {wanted} image scores are needed, {counted} were given")
        if wrong := problem(self.examples, counted or 0):
            raise ResultsError(f"{self.row.name}: {wrong}")


def _vector(values: ArrayLike) -> NDArray[np.generic]:
    array = np.asarray(values)
    if array.ndim != 1:
        raise ResultsError(f"a vector is needed, not an array of shape {array.shape}")
    return array


def _frozen(values: NDArray[np.generic], kind: type[np.generic]) -> NDArray[np.generic]:
    array = np.array(values, dtype=kind)
    array.flags.writeable = False
    return array
