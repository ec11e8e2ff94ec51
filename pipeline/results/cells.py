"""One finished cell as one Parquet file: scores and examples as its table, the row as JSON in its footer.

The bytes depend on the result alone, and the result comes back exactly. Where cells are kept is up to the
cell store.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

import pyarrow as pa

from pipeline.results import parquet
from pipeline.results.examples import EXAMPLE_COLUMNS, Example
from pipeline.results.records import CellResult, CellRow, CellScores
from pipeline.results.schema import IMAGE_FIELDS, ResultsError

_IMAGE_SCHEMA: Final = pa.schema(IMAGE_FIELDS)
# One row an image; the columns of examples are null where the image is none.
_CELL_SCHEMA: Final = pa.schema(
    [*IMAGE_FIELDS, *(pa.field(name, kind) for name, kind in EXAMPLE_COLUMNS.items())]
)
_ROW = "zsad.row"


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


def image_table(scores: CellScores | None) -> pa.Table:
    """Columns `image`, `label`, `score` of a cell, in the order of its shard; without scores, no rows."""
    columns: tuple[Any, ...] = (
        ([], [], []) if scores is None else (scores.images, scores.labels, scores.scores)
    )
    return pa.table(
        [pa.array(c, f.type) for c, f in zip(columns, IMAGE_FIELDS, strict=True)], schema=_IMAGE_SCHEMA
    )


def example_columns(examples: Sequence[Example]) -> dict[str, pa.Array]:
    """The columns of `examples` but for their images, in their order."""
    return {
        name: pa.array([getattr(example, name) for example in examples], kind)
        for name, kind in EXAMPLE_COLUMNS.items()
    }


def _table(result: CellResult) -> pa.Table:
    images = image_table(result.scores)
    rows: list[int | None] = [None] * len(images)
    for index, example in enumerate(result.examples):
        rows[example.place] = index
    columns = {name: images[name] for name in images.column_names}
    for name, column in example_columns(result.examples).items():
        columns[name] = column.take(pa.array(rows, pa.int64()))
    return pa.table(columns, schema=_CELL_SCHEMA)


def _scores(table: pa.Table) -> CellScores:
    return CellScores(tuple(table["image"].to_pylist()), table["label"].to_numpy(), table["score"].to_numpy())


def _examples(table: pa.Table) -> tuple[Example, ...]:
    lines = table.select(list(EXAMPLE_COLUMNS)).to_pylist()
    return tuple(
        Example(place=place, **line) for place, line in enumerate(lines) if line["heatmap"] is not None
    )
