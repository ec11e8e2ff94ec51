"""From finished cells to files: one for the cell store, and the folders that DVC tracks, one file a subset.

A cell's own file has scores and examples as its table and the row as JSON in its footer; its bytes depend on
the result alone, and the result comes back exactly. The folders `metrics/`, `scores/` and `examples/` say
what was asked for, no more: rows are sorted, and files of cells that left the run are deleted. Time, machine
and revision stay out of the files (see `provenance`).
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from pipeline.files import atomic_path
from pipeline.results import parquet
from pipeline.results.examples import EXAMPLE_COLUMNS, Example
from pipeline.results.records import CellResult, CellRow, CellScores
from pipeline.results.schema import (
    EXAMPLES_SCHEMA,
    IMAGE_FIELDS,
    METRICS_SCHEMA,
    SCHEMA_VERSION,
    SCORES_SCHEMA,
    ResultsError,
)

_METRICS: Final = "metrics"
_SCORES: Final = "scores"
_EXAMPLES: Final = "examples"

_IMAGE_SCHEMA: Final = pa.schema(IMAGE_FIELDS)
# One row an image; the columns of examples are null where the image is none.
_CELL_SCHEMA: Final = pa.schema(
    [*IMAGE_FIELDS, *(pa.field(name, kind) for name, kind in EXAMPLE_COLUMNS.items())]
)
_ROW = "zsad.row"


def slug(name: str) -> str:
    """`name` as a file name: everything but letters, digits, `-`, `_` and inner dots becomes `_`.

    Raises:
        ResultsError: nothing of `name` is left.

    Examples:
        >>> slug("electrical commutators")
        'electrical_commutators'
    """
    text = re.sub(r"[^\w.-]|^\.+", "_", name, flags=re.ASCII)
    if not text.strip("_"):
        raise ResultsError(f"{name!r} cannot name a file; rename the subset")
    return text


def write_results(results: Iterable[CellResult], folder: Path) -> list[Path]:
    """Write `<data set>/<subset>.parquet` below `metrics/`, `scores/` and `examples/` of `folder`.

    Args:
        results: every cell of the run, in any order; failed cells have a row and no scores.
        folder: results of one profile, such as `results/miniature`.

    Returns:
        The files of the run, sorted. A subset whose cells all failed has no scores and no examples.

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
            files[folder / _EXAMPLES / name] = parquet.to_bytes(_examples_table(scored), {})
    with ExitStack() as stack:  # no file is renamed before all are written: a full disk changes nothing
        for path, content in files.items():
            stack.enter_context(atomic_path(path)).write_bytes(content)
    for kind in (_METRICS, _SCORES, _EXAMPLES):
        _keep_only(folder / kind, files.keys())
    return sorted(files)


def datasets_with_results(folder: Path) -> set[str]:
    """The data sets of which `write_results` has written rows below `folder`."""
    return {path.parent.name for path in (folder / _METRICS).glob("*/*.parquet")}


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
    images = _image_table(cell.scores)
    # Stable, so that pieces cut from one image stay in their order.
    images = images.take(np.argsort(images["image"].to_numpy(zero_copy_only=False), kind="stable"))
    return _of_cell(cell, {name: images[name] for name in images.column_names}, SCORES_SCHEMA)


def _examples_table(cells: Sequence[CellResult]) -> pa.Table:
    return pa.concat_tables([_examples_of(cell) for cell in cells])


def _examples_of(cell: CellResult) -> pa.Table:
    images = _image_table(cell.scores).take(pa.array([it.place for it in cell.examples], pa.int64()))
    columns = {name: images[name] for name in images.column_names}
    return _of_cell(cell, columns | _example_columns(cell.examples), EXAMPLES_SCHEMA)


def _of_cell(cell: CellResult, columns: Mapping[str, Any], schema: pa.Schema) -> pa.Table:
    """`columns` behind those that say whose they are."""
    row, length = asdict(cell.row), len(next(iter(columns.values())))
    own: dict[str, Any] = {
        field.name: pa.repeat(pa.scalar(row[field.name], field.type), length)
        for field in schema
        if field.name in row
    }
    return pa.table([{**own, **columns}[name] for name in schema.names], schema=schema)


def _keep_only(folder: Path, wanted: Iterable[Path]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    keep = set(wanted)
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir():
            if not any(path.iterdir()):
                path.rmdir()
        elif path not in keep:
            path.unlink()


def encode_cell(result: CellResult) -> bytes:
    """The Parquet file of `result`; equal results have equal bytes."""
    row = json.dumps(asdict(result.row), sort_keys=True, ensure_ascii=False, allow_nan=False)
    return parquet.to_bytes(_table(result), {_ROW: row})


def decode_cell(content: bytes, source: str = "cell") -> CellResult:
    """The result in a file that `encode_cell` made.

    Args:
        content: the whole file.
        source: name of the file for messages.

    Raises:
        ResultsError: the file is damaged, or of another schema version.
    """
    table, metadata = parquet.from_bytes(content, _CELL_SCHEMA, source)
    try:
        row = CellRow(**json.loads(metadata[_ROW]))
        failed = row.status == "failed"
        return CellResult(row, None if failed else _scores(table), () if failed else _examples(table))
    except (KeyError, TypeError, ValueError, ResultsError) as error:
        raise ResultsError(f"{source}: damaged cell ({error}); delete it and run again") from error


def _image_table(scores: CellScores | None) -> pa.Table:
    """Columns `image`, `label`, `score` of a cell, in the order of its shard; without scores, no rows."""
    columns: tuple[Any, ...] = (
        ([], [], []) if scores is None else (scores.images, scores.labels, scores.scores)
    )
    return pa.table(
        [pa.array(c, f.type) for c, f in zip(columns, IMAGE_FIELDS, strict=True)], schema=_IMAGE_SCHEMA
    )


def _example_columns(examples: Sequence[Example]) -> dict[str, pa.Array]:
    """The columns of `examples` but for their images, in their order."""
    return {
        name: pa.array([getattr(example, name) for example in examples], kind)
        for name, kind in EXAMPLE_COLUMNS.items()
    }


def _table(result: CellResult) -> pa.Table:
    images = _image_table(result.scores)
    rows: list[int | None] = [None] * len(images)
    for index, example in enumerate(result.examples):
        rows[example.place] = index
    columns = {name: images[name] for name in images.column_names}
    for name, column in _example_columns(result.examples).items():
        columns[name] = column.take(pa.array(rows, pa.int64()))
    return pa.table(columns, schema=_CELL_SCHEMA)


def _scores(table: pa.Table) -> CellScores:
    return CellScores(tuple(table["image"].to_pylist()), table["label"].to_numpy(), table["score"].to_numpy())


def _examples(table: pa.Table) -> tuple[Example, ...]:
    lines = table.select(list(EXAMPLE_COLUMNS)).to_pylist()
    return tuple(
        Example(place=place, **line) for place, line in enumerate(lines) if line["heatmap"] is not None
    )
