"""The light part of the page: what there is and every cell's metrics, so that any list is made at once."""

from typing import Any, Final

from pipeline.report.chunks import cell_id
from pipeline.report.pictures import palette
from pipeline.report.sources import Sources
from pipeline.results import METRICS, CellRow
from pipeline.tables.aggregate import Entry
from pipeline.tables.naming import METRIC_TITLES, entry_title, in_order

_DIGITS: Final = 11  # what is left prints as the tables do, which round 100 * value to 9 digits first


def page_index(sources: Sources) -> dict[str, Any]:
    """JSON-able; entries, data sets and subsets are known by their place in the lists."""
    entries = in_order(sources.means)
    return {
        "metrics": [{"name": metric, "title": METRIC_TITLES[metric]} for metric in METRICS],
        "datasets": [
            {
                "name": name,
                "title": record.title,
                "domain": record.domain,
                "metrics": [METRICS.index(metric) for metric in record.metrics],
                "subsets": list(record.subsets),
                "masks": "pixel" in record.tasks,
            }
            for name, record in sources.expected.items()
        ],
        "entries": [{"name": entry.name, "title": entry_title(entry)} for entry in entries],
        "cells": [_cell(row, sources, entries) for row in sources.rows],
        "palette": palette().tobytes().hex(),
    }


def _cell(row: CellRow, sources: Sources, entries: list[Entry]) -> dict[str, Any]:
    cell = {
        "id": cell_id(row),
        "dataset": list(sources.expected).index(row.dataset),
        "subset": sources.expected[row.dataset].subsets.index(row.subset),
        "entry": entries.index(Entry(row.method, row.variant)),
        "seed": row.seed,
    }
    if row.status == "failed":
        return cell | {"error": row.error}
    values = [getattr(row, metric) for metric in METRICS]
    return cell | {
        "images": [row.n_normal, row.n_anomalous],
        "values": [None if value is None else round(value, _DIGITS) for value in values],
    }
