"""From finished cells to the two folders that DVC tracks: `metrics/` and `scores/`, one file a subset.

The folders say what was asked for, no more: rows are sorted, and files of cells that are no longer part of
the run are deleted. Time, machine and revision stay out of the files (see `provenance`).
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from pipeline.files import atomic_path
from pipeline.results import parquet
from pipeline.results.cells import image_table
from pipeline.results.schema import (
    METRICS_SCHEMA,
    SCHEMA_VERSION,
    SCORES_SCHEMA,
    CellResult,
    ResultsError,
)

_METRICS: Final = "metrics"
_SCORES: Final = "scores"


def slug(name: str) -> str:
    """`name` as a file name: everything but letters, digits, `-`, `_` and inner dots becomes `_`.

    Raises:
        ResultsError: nothing of `name` is left.
    """
    text = re.sub(r"[^\w.-]|^\.+", "_", name, flags=re.ASCII)
    if not text.strip("_"):
        raise ResultsError(f"{name!r} cannot name a file; rename the subset")
    return text


def write_results(results: Iterable[CellResult], folder: Path) -> list[Path]:
    """Write `metrics/<data set>/<subset>.parquet` and `scores/<data set>/<subset>.parquet` under `folder`.

    Args:
        results: every cell of the run, in any order; failed cells have a row and no scores.
        folder: results of one profile, such as `results/miniature`.

    Returns:
        The files of the run, sorted. A subset whose cells all failed has no scores file.

    Raises:
        ResultsError: a cell occurs twice, or two subsets would share a file.
    """
    files: dict[Path, bytes] = {}
    for (dataset, subset), cells in _by_subset(results).items():
        name = Path(slug(dataset)) / f"{slug(subset)}.parquet"
        path = folder / _METRICS / name
        if path in files:
            raise ResultsError(f"{path}: two subsets of {dataset} have this file name; rename {subset!r}")
        files[path] = parquet.to_bytes(_metrics_table(cells), {})
        if scored := [cell for cell in cells if cell.scores is not None]:
            files[folder / _SCORES / name] = parquet.to_bytes(_scores_table(scored), {})
    with ExitStack() as stack:  # no file is renamed before all are written: a full disk changes nothing
        for path, content in files.items():
            stack.enter_context(atomic_path(path)).write_bytes(content)
    for kind in (_METRICS, _SCORES):
        _keep_only(folder / kind, files.keys())
    return sorted(files)


def _by_subset(results: Iterable[CellResult]) -> dict[tuple[str, str], list[CellResult]]:
    cells = sorted(results, key=_order)
    groups: dict[tuple[str, str], list[CellResult]] = defaultdict(list)
    for cell in cells:
        group = groups[cell.row.dataset, cell.row.subset]
        if group and group[-1].row.key == cell.row.key:
            raise ResultsError(f"{cell.row.name}: this cell occurs twice; each may have one result")
        group.append(cell)
    return groups


def _order(cell: CellResult) -> tuple[str, str, str, str, int]:
    row = cell.row
    return (row.dataset, row.subset, row.method, row.variant, -1 if row.seed is None else row.seed)


def _metrics_table(cells: Sequence[CellResult]) -> pa.Table:
    rows = [{"schema_version": SCHEMA_VERSION, **asdict(cell.row)} for cell in cells]
    return pa.Table.from_pylist(rows, schema=METRICS_SCHEMA)


def _scores_table(cells: Sequence[CellResult]) -> pa.Table:
    return pa.concat_tables([_scores_of(cell) for cell in cells])


def _scores_of(cell: CellResult) -> pa.Table:
    images = image_table(cell.scores)
    # Stable, so that pieces cut from one image stay in their order.
    images = images.take(np.argsort(images["image"].to_numpy(zero_copy_only=False), kind="stable"))
    columns = {name: images[name] for name in images.column_names}
    row = asdict(cell.row)
    for field in SCORES_SCHEMA:
        if field.name in row:
            columns[field.name] = pa.repeat(pa.scalar(row[field.name], field.type), len(images))
    return pa.table([columns[name] for name in SCORES_SCHEMA.names], schema=SCORES_SCHEMA)


def _keep_only(folder: Path, wanted: Iterable[Path]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    keep = set(wanted)
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir():
            if not any(path.iterdir()):
                path.rmdir()
        elif path not in keep:
            path.unlink()
