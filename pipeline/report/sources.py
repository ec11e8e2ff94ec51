"""What a report is made of, read once: rows, image scores, examples, losses of training, facts of the run.

All of it comes from files that the stages left. A run without any finished cell has no scores and no
examples; its report shows why.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from pipeline.errors import ZsadError
from pipeline.params import Params
from pipeline.results import (
    EXAMPLES_SCHEMA,
    SCORES_SCHEMA,
    CellRow,
    cell_rows,
    read_examples,
    read_metrics,
    read_scores,
)
from pipeline.tables import expected_sets
from pipeline.tables.aggregate import Entry, EntryMeans, entry_means
from pipeline.tables.expected import Expected

Frames = Mapping[tuple[str, str], pd.DataFrame]


@dataclass(frozen=True)
class History:
    """Losses of one training, epoch by epoch.

    Attributes:
        entry: method and variant that was tuned.
        auxiliary: on which set.
        seed: with which seed, as the file's name has it.
        epochs: mean losses by name; `total` is what was minimised.
    """

    entry: Entry
    auxiliary: str
    seed: str
    epochs: tuple[dict[str, float], ...]


@dataclass(frozen=True)
class Sources:
    """Everything about one run.

    Attributes:
        profile: name of the profile.
        expected: what the run ought to contain.
        rows: of all cells.
        means: of all entries.
        scores: one row an image and cell, by data set and subset.
        examples: one row an example, by data set and subset.
        shards: folder of the prepared data sets, for the pictures.
        histories: of all trainings.
        run: content of `run.json`, empty without one.
    """

    profile: str
    expected: Expected
    rows: tuple[CellRow, ...]
    means: Mapping[Entry, EntryMeans]
    scores: Frames
    examples: Frames
    shards: Path
    histories: tuple[History, ...]
    run: Mapping[str, Any]

    @cached_property
    def by_subset(self) -> dict[tuple[str, str], list[CellRow]]:
        """The rows of each subset."""
        found: dict[tuple[str, str], list[CellRow]] = {}
        for row in self.rows:
            found.setdefault((row.dataset, row.subset), []).append(row)
        return found


def read_sources(params: Params) -> Sources:
    """Read the results of `params.profile`.

    Raises:
        ZsadError: there are no results, or a file is damaged; the message names it.
    """
    expected = expected_sets(params.datasets)
    metrics = read_metrics(params.results / "metrics")
    return Sources(
        profile=params.profile,
        expected=expected,
        rows=tuple(cell_rows(metrics)),
        means=entry_means(metrics, expected),
        scores=_by_subset(read_scores, params.results / "scores", SCORES_SCHEMA),
        examples=_by_subset(read_examples, params.results / "examples", EXAMPLES_SCHEMA),
        shards=params.shards,
        histories=tuple(_histories(params.weights)),
        run=_json(params.results / "run.json") or {},
    )


def of_cell(frame: pd.DataFrame | None, row: CellRow) -> pd.DataFrame | None:
    """The lines of a subset's frame that belong to the cell of `row`, None where there are none."""
    if frame is None:
        return None
    seed = frame["seed"].isna() if row.seed is None else frame["seed"] == row.seed
    own = frame[(frame["method"] == row.method) & (frame["variant"] == row.variant) & seed]
    return None if own.empty else own


def _by_subset(read: Callable[[Path], pd.DataFrame], folder: Path, schema: pa.Schema) -> Frames:
    if not any(folder.glob("*/*.parquet")):
        return {}
    frame = read(folder)[schema.names]
    return {(str(key[0]), str(key[1])): own for key, own in frame.groupby(["dataset", "subset"], sort=True)}


def _histories(weights: Path) -> Iterator[History]:
    for path in sorted(weights.glob("*/*.history.json")):
        name, _, seed = path.name.removesuffix(".history.json").rpartition("-seed")
        method, _, variant = name.partition(".")
        content = _json(path) or {}
        yield History(Entry(method, variant), path.parent.name, seed, tuple(content.get("epochs", ())))


def _json(path: Path) -> dict[str, Any] | None:
    try:
        content: dict[str, Any] = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ZsadError(f"{path} is damaged ({error}): delete it and run its stage again") from error
    return content
