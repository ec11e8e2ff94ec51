"""What a report is made of, read once: rows, image scores, examples, losses of training, facts of the run.

All of it comes from files that the stages left. A run without any finished cell has no scores and no
examples; its report shows why.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.cells import CellKey, System
from pipeline.errors import ZsadError
from pipeline.files import read_json
from pipeline.params import Params
from pipeline.results import CellRow, Role
from pipeline.results.cost import Costs, read_costs
from pipeline.results.parquet import read_examples, read_scores
from pipeline.tables import Outcome, read_outcome

_KEY: Final = ["dataset", "subset", "method", "variant", "seed"]

ImageScores = tuple[NDArray[np.int8], NDArray[np.float64]]
"""Labels (N,) of 0 and 1, and image scores (N,)."""


@dataclass(frozen=True)
class Shown:
    """An example with its image; see `pipeline.results.Example`."""

    image: str
    label: int
    score: float
    role: Role | None
    reference: bool
    low: float
    high: float
    heatmap: bytes


@dataclass(frozen=True)
class History:
    """Losses of one training, epoch by epoch.

    Attributes:
        system: what was tuned.
        auxiliary: on which set.
        seed: with which seed.
        epochs: mean losses by name; `total` is what was minimised.
    """

    system: System
    auxiliary: str
    seed: int
    epochs: tuple[dict[str, float], ...]


@dataclass(frozen=True)
class Sources:
    """Everything about one run.

    Attributes:
        outcome: its means, and the data sets that were expected.
        scores: image scores by cell.
        examples: examples by cell, from the highest score to the lowest.
        shards: folder of the prepared data sets, for the pictures.
        histories: of all trainings.
        run: revision, machine, libraries and time from `run.json`; empty without one, or when left out.
        costs: what `zsad cost` measured; None where it did not, or when left out with `run`.
    """

    outcome: Outcome
    scores: Mapping[CellKey, ImageScores]
    examples: Mapping[CellKey, tuple[Shown, ...]]
    shards: Path
    histories: tuple[History, ...]
    run: Mapping[str, Any]
    costs: Costs | None = None

    @cached_property
    def rows(self) -> list[CellRow]:
        """The rows of all cells."""
        return self.outcome.rows

    @cached_property
    def by_subset(self) -> dict[tuple[str, str], list[CellRow]]:
        """The rows of each subset."""
        found: dict[tuple[str, str], list[CellRow]] = {}
        for row in self.rows:
            found.setdefault((row.dataset, row.subset), []).append(row)
        return found


def read_sources(params: Params, *, with_run: bool = True) -> Sources:
    """Read the results of `params.profile`.

    Args:
        params: name the profile and its data sets.
        with_run: whether to read `run.json` and costs, which differ from machine to machine and run to run.

    Raises:
        ZsadError: there are no results, or a file is damaged; the message names it.
    """
    return Sources(
        outcome=read_outcome(params),
        scores=_scores(params.results / "scores"),
        examples=_examples(params.results / "examples"),
        shards=params.shards,
        histories=tuple(_histories(params.weights)),
        run=(_json(params.results / "run.json") or {}) if with_run else {},
        costs=read_costs(params.results / "cost") if with_run else None,
    )


def _scores(folder: Path) -> dict[CellKey, ImageScores]:
    frame = _read(read_scores, folder)
    if frame is None:
        return {}
    labels, scores = frame["label"].to_numpy(np.int8), frame["score"].to_numpy(float)
    return {key: (labels[rows], scores[rows]) for key, rows in _rows_by_cell(frame)}


def _examples(folder: Path) -> dict[CellKey, tuple[Shown, ...]]:
    frame = _read(read_examples, folder)
    if frame is None:
        return {}
    frame = frame.sort_values("score", ascending=False, kind="stable")
    columns = frame.drop(columns=_KEY).astype(object)
    rows = columns.where(columns.notna(), None).itertuples(index=False, name=None)
    lines = [Shown(**dict(zip(columns.columns, row, strict=True))) for row in rows]
    return {key: tuple(lines[place] for place in places) for key, places in _rows_by_cell(frame)}


def _read(read: Callable[[Path], pd.DataFrame], folder: Path) -> pd.DataFrame | None:
    """None where no cell of the run was finished."""
    return read(folder) if any(folder.glob("*/*.parquet")) else None


def _rows_by_cell(frame: pd.DataFrame) -> Iterator[tuple[CellKey, NDArray[np.intp]]]:
    groups = frame.groupby(_KEY, dropna=False, sort=False).indices
    for key, places in groups.items():
        dataset, subset, method, variant, seed = cast("tuple[str, str, str, str, Any]", key)
        seed = None if pd.isna(seed) else int(seed)
        yield CellKey(dataset, subset, method, variant, seed), np.asarray(places)


def _histories(weights: Path) -> Iterator[History]:
    for path in sorted(weights.glob("*/*.history.json")):
        content = _json(path) or {}
        try:
            system = System(content["method"], content["variant"])
            yield History(system, path.parent.name, content["seed"], tuple(content["epochs"]))
        except (KeyError, TypeError) as error:
            raise ZsadError(f"{path} is damaged (no {error}): delete it and run its stage again") from error


def _json(path: Path) -> dict[str, Any] | None:
    try:
        content = read_json(path)
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ZsadError(f"{path} is damaged ({error}): delete it and run its stage again") from error
    if not isinstance(content, dict):
        raise ZsadError(f"{path} is damaged (no mapping): delete it and run its stage again")
    return content
