"""`summary.json`: the averages that `dvc metrics` shows and compares, method by method and domain by domain.

Shares in [0, 1], rounded to four decimals; null where a data set that has the metric has no value for it.
"""

from collections.abc import Mapping
from typing import get_args

from pipeline.results import METRICS
from pipeline.tables.aggregate import Entry, EntryMeans
from pipeline.tables.expected import Domain, Expected
from pipeline.tables.naming import in_order

Summary = dict[str, dict[str, dict[str, float | None]]]


def summary(means: Mapping[Entry, EntryMeans], expected: Expected) -> Summary:
    """Averages by entry (`anomalyclip`, `anomalyclip[variant]`), domain (those of this run) and metric."""
    domains = {
        domain: [name for name, record in expected.items() if record.domain == domain]
        for domain in get_args(Domain)
    }
    return {
        entry.name: {
            domain: {metric: _rounded(means[entry].over_datasets(names, metric).value) for metric in METRICS}
            for domain, names in domains.items()
            if names
        }
        for entry in in_order(means)
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
