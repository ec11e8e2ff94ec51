"""The data sets of the benchmark: what is known about them, and what lies on disk.

A record (YAML) says everything that is known; a layout reader lists the test split of a published tree;
a fingerprint names the build that was found. Nothing here downloads, decodes at scale or writes.
"""

from pipeline.catalog.builds import count_problems
from pipeline.catalog.guess import Guess, guess
from pipeline.catalog.listing import advice, list_samples
from pipeline.catalog.record import Build, DatasetRecord, Domain, Source, Subset, Task, known_bytes
from pipeline.catalog.registry import (
    PAPER,
    absent,
    auxiliary_names,
    by_step,
    evaluated,
    files_of,
    is_import,
    is_taken,
    leave_out,
    names,
    own_names,
    own_record_path,
    record,
    shipped_names,
    suites,
    suites_of,
    what_brings,
)
from pipeline.catalog.samples import ANOMALOUS, NORMAL, Counts, Ignored, KnownCounts, Listing, Sample

__all__ = [
    "ANOMALOUS",
    "NORMAL",
    "PAPER",
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
    "absent",
    "advice",
    "auxiliary_names",
    "by_step",
    "count_problems",
    "evaluated",
    "files_of",
    "guess",
    "is_import",
    "is_taken",
    "known_bytes",
    "leave_out",
    "list_samples",
    "names",
    "own_names",
    "own_record_path",
    "record",
    "shipped_names",
    "suites",
    "suites_of",
    "what_brings",
]
