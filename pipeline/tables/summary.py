"""What DVC shows and compares: averages over data sets, method by method and domain by domain.

`summary.json` for `dvc metrics`: shares in [0, 1], rounded to four decimals; null where a data set that has
the metric has no value for it. `averages.json` for `dvc plots`: the same as records, in percent.
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


def averages(found: Summary) -> list[dict[str, str | float]]:
    """A record an entry and domain: its name such as `anomalyclip, medical`, and each average that exists."""
    return [
        {
            "entry": f"{entry}, {domain}",
            **{metric: round(100 * share, 2) for metric, share in metrics.items() if share is not None},
        }
        for entry, domains in found.items()
        for domain, metrics in domains.items()
    ]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
