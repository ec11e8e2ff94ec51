"""Tables: published numbers as data, means over subsets, the paper's tables, and what a change moved."""

from pipeline.tables.compare import Difference, compare_tables, count_values, diff_markdown, diff_text
from pipeline.tables.expected import Expected, ExpectedSet, expected_sets
from pipeline.tables.model import Table
from pipeline.tables.outcome import Outcome, outcome_of
from pipeline.tables.published import PublishedValue, published_table
from pipeline.tables.write import (
    FORMATS,
    KEPT,
    MEANS,
    build_tables,
    keep_tables,
    read_outcome,
    table_texts,
    write_means,
    write_run_tables,
    write_tables,
)

__all__ = [
    "FORMATS",
    "KEPT",
    "MEANS",
    "Difference",
    "Expected",
    "ExpectedSet",
    "Outcome",
    "PublishedValue",
    "Table",
    "build_tables",
    "compare_tables",
    "count_values",
    "diff_markdown",
    "diff_text",
    "expected_sets",
    "keep_tables",
    "outcome_of",
    "published_table",
    "read_outcome",
    "table_texts",
    "write_means",
    "write_run_tables",
    "write_tables",
]
