"""The suites that every method and every data set passes, for the tests of whoever wrote it.

A check is a function that raises `ConformanceError` with one message. `check_method` and `check_dataset` make
all of them and raise one error that lists what failed; a test runner can take them one by one from
`METHOD_CHECKS` and `DATASET_CHECKS`. docs/how-to/plug-in.md shows both.
"""

from pipeline.conformance.dataset import DATASET_CHECKS, ReadDataset, check_dataset, read_dataset
from pipeline.conformance.failures import ConformanceError
from pipeline.conformance.method import METHOD_CHECKS, build_method, check_method

__all__ = [
    "DATASET_CHECKS",
    "METHOD_CHECKS",
    "ConformanceError",
    "ReadDataset",
    "build_method",
    "check_dataset",
    "check_method",
    "read_dataset",
]
