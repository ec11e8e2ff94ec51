"""The data sets of the benchmark: what is known about them, and what lies on disk.

A record (YAML) says everything that is known; a layout reader lists the test split of a published tree;
a fingerprint names the build that was found. Nothing here downloads, decodes at scale or writes.
"""

from pipeline.catalog.counts import count_problems
from pipeline.catalog.guess import Guess, guess
from pipeline.catalog.listing import advice, list_samples
from pipeline.catalog.record import Build, DatasetRecord, Domain, Source, Subset, Task
from pipeline.catalog.registry import (
    auxiliary_names,
    evaluated,
    is_taken,
    names,
    own_names,
    own_record_path,
    record,
    shipped_names,
)
from pipeline.catalog.samples import ANOMALOUS, NORMAL, Counts, Ignored, KnownCounts, Listing, Sample

__all__ = [
    "ANOMALOUS",
    "NORMAL",
    "Build",
    "Counts",
    "DatasetRecord",
    "Domain",
    "Guess",
    "Ignored",
    "KnownCounts",
    "Listing",
    "Sample",
    "Source",
    "Subset",
    "Task",
    "advice",
    "auxiliary_names",
    "count_problems",
    "evaluated",
    "guess",
    "is_taken",
    "list_samples",
    "names",
    "own_names",
    "own_record_path",
    "record",
    "shipped_names",
]
