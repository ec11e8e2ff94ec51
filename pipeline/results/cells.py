"""One finished cell as one Parquet file: the image scores as its table, the row as JSON in its footer.

The bytes depend on the result alone, and the result comes back exactly. A digest over row and scores is
kept in the footer, so that damage which Parquet itself would not notice is refused too. Where cells are
kept is up to the cell store.
"""

import hashlib
import json
from dataclasses import asdict
from typing import Any, Final

import pyarrow as pa

from pipeline.results import parquet
from pipeline.results.schema import (
    IMAGE_FIELDS,
    CellResult,
    CellRow,
    CellScores,
    ResultsError,
)

_CELL_SCHEMA: Final = pa.schema(IMAGE_FIELDS)
_ROW, _DIGEST = "zsad.row", "zsad.digest"


def encode_cell(result: CellResult) -> bytes:
    """The Parquet file of `result`; equal results have equal bytes."""
    row = json.dumps(asdict(result.row), sort_keys=True, ensure_ascii=False, allow_nan=False)
    return parquet.to_bytes(image_table(result.scores), {_ROW: row, _DIGEST: _digest(row, result.scores)})


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
        scores = None if row.status == "failed" else _scores(table)
        if metadata[_DIGEST] != _digest(metadata[_ROW], scores):
            raise ResultsError("content and digest disagree")
        return CellResult(row, scores)
    except (KeyError, TypeError, ValueError, ResultsError) as error:
        raise ResultsError(f"{source}: damaged cell ({error}); delete it and run again") from error


def image_table(scores: CellScores | None) -> pa.Table:
    """Columns `image`, `label`, `score` of a cell, in the order of its shard; without scores, no rows."""
    columns: tuple[Any, ...] = (
        ([], [], []) if scores is None else (scores.images, scores.labels, scores.scores)
    )
    return pa.table(
        [pa.array(c, f.type) for c, f in zip(columns, IMAGE_FIELDS, strict=True)], schema=_CELL_SCHEMA
    )


def _scores(table: pa.Table) -> CellScores:
    return CellScores(tuple(table["image"].to_pylist()), table["label"].to_numpy(), table["score"].to_numpy())


def _digest(row: str, scores: CellScores | None) -> str:
    digest = hashlib.sha256(row.encode())
    if scores is not None:
        digest.update(json.dumps(scores.images).encode())
        digest.update(scores.labels.tobytes())
        digest.update(scores.scores.tobytes())
    return digest.hexdigest()
