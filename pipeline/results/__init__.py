"""Results: one row a cell in `metrics/`, one row an image in `scores/`, in Parquet files that are stable."""

from pipeline.results.cells import decode_cell, encode_cell
from pipeline.results.provenance import git_revision, library_versions, write_run
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
    "Status",
    "cell_rows",
    "decode_cell",
    "encode_cell",
    "git_revision",
    "library_versions",
    "read_metrics",
    "read_scores",
    "slug",
    "write_results",
    "write_run",
]
