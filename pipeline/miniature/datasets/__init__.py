"""The data sets of the suites in miniature: drawn pictures in the published layouts.

`specification.yaml` says what every subset shows, `layouts` how each data set lies on disk, `counts.yaml`
what a reader should find. They are committed as plain files in `samples/`.
"""

from pipeline.miniature.datasets.generate import SEED, expected_counts, write_all, write_dataset

__all__ = ["SEED", "expected_counts", "write_all", "write_dataset"]
