"""Tables: published numbers as data, means over subsets, the paper's tables, and what a change moved."""

from pipeline.tables.compare import Difference, compare_metrics, compare_tables
from pipeline.tables.expected import Expected, ExpectedSet, expected_sets
from pipeline.tables.published import PublishedValue, published_table
from pipeline.tables.write import FORMATS, build_tables, write_tables

__all__ = [
    "FORMATS",
    "Difference",
    "Expected",
    "ExpectedSet",
    "PublishedValue",
    "build_tables",
    "compare_metrics",
    "compare_tables",
    "expected_sets",
    "published_table",
    "write_tables",
]
