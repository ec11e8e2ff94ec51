"""Results in stable Parquet files: a row a cell in `metrics/`, an image in `scores/`, and `examples/`.

`pipeline.results.parquet` gives them back as pandas tables; writing them does not ask for pandas.
"""

from pipeline.results.examples import ROLES, SIDE, Example, Role, decode_heatmap, encode_heatmap
from pipeline.results.provenance import git_revision, library_versions, write_run
from pipeline.results.records import LEFT_OUT, NOT_POSSIBLE, CellResult, CellRow, CellScores
from pipeline.results.schema import (
    EXAMPLES_SCHEMA,
    FEW_SHOT,
    IMAGE_METRICS,
    INTERVAL_COLUMNS,
    METRICS,
    METRICS_SCHEMA,
    OTHER_TRACKS,
    PIXEL_METRICS,
    RULE_COLUMNS,
    SCHEMA_VERSION,
    SCORES_SCHEMA,
    ResultsError,
    RuleColumns,
    Spread,
    Status,
    Track,
    spread_columns,
)
from pipeline.results.write import datasets_with_results, decode_cell, encode_cell, slug, write_results

__all__ = [
    "EXAMPLES_SCHEMA",
    "FEW_SHOT",
    "IMAGE_METRICS",
    "INTERVAL_COLUMNS",
    "LEFT_OUT",
    "METRICS",
    "METRICS_SCHEMA",
    "NOT_POSSIBLE",
    "OTHER_TRACKS",
    "PIXEL_METRICS",
    "ROLES",
    "RULE_COLUMNS",
    "SCHEMA_VERSION",
    "SCORES_SCHEMA",
    "SIDE",
    "CellResult",
    "CellRow",
    "CellScores",
    "Example",
    "ResultsError",
    "Role",
    "RuleColumns",
    "Spread",
    "Status",
    "Track",
    "datasets_with_results",
    "decode_cell",
    "decode_heatmap",
    "encode_cell",
    "encode_heatmap",
    "git_revision",
    "library_versions",
    "slug",
    "spread_columns",
    "write_results",
    "write_run",
]
