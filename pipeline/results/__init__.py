"""Results: one row a cell in `metrics/`, one row an image in `scores/`, in Parquet files that are stable."""

from pipeline.results.cells import decode_cell, encode_cell
from pipeline.results.intervals import INTERVAL_COLUMNS, Spread, spread_columns
from pipeline.results.provenance import write_run
from pipeline.results.read import cell_rows, read_metrics, read_scores
from pipeline.results.schema import (
    IMAGE_METRICS,
    METRICS,
    METRICS_SCHEMA,
    PIXEL_METRICS,
    SCHEMA_VERSION,
    SCORES_SCHEMA,
    CellKey,
    CellResult,
    CellRow,
    CellScores,
    ResultsError,
    Status,
)
from pipeline.results.write import slug, write_results

__all__ = [
    "IMAGE_METRICS",
    "INTERVAL_COLUMNS",
    "METRICS",
    "METRICS_SCHEMA",
    "PIXEL_METRICS",
    "SCHEMA_VERSION",
    "SCORES_SCHEMA",
    "CellKey",
    "CellResult",
    "CellRow",
    "CellScores",
    "ResultsError",
    "Spread",
    "Status",
    "cell_rows",
    "decode_cell",
    "encode_cell",
    "read_metrics",
    "read_scores",
    "slug",
    "spread_columns",
    "write_results",
    "write_run",
]
