"""The data sets of the benchmark: what is known about them, and what lies on disk.

A record (YAML) says everything that is known; a layout reader lists the test split of a published tree;
a fingerprint names the build that was found. Nothing here downloads, decodes at scale or writes.
"""

from pipeline.catalog.counts import count_problems
from pipeline.catalog.fingerprint import Fingerprint, fingerprint
from pipeline.catalog.listing import list_samples
from pipeline.catalog.record import Build, DatasetRecord, Source, Subset
from pipeline.catalog.registry import names, record
from pipeline.catalog.samples import ANOMALOUS, NORMAL, Counts, Ignored, Listing, Sample

__all__ = [
    "ANOMALOUS",
    "NORMAL",
    "Build",
    "Counts",
    "DatasetRecord",
    "Fingerprint",
    "Ignored",
    "Listing",
    "Sample",
    "Source",
    "Subset",
    "count_problems",
    "fingerprint",
    "list_samples",
    "names",
    "record",
]
