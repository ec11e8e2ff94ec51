"""The first page of the report: what was run, what failed, and the averages of every method."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, get_args

from pipeline.report.grids import Grid, GridCell, GridRow
from pipeline.report.sources import Sources
from pipeline.tables.aggregate import Mean
from pipeline.tables.expected import Domain
from pipeline.tables.markdown import emphasised, printed_or_dash
from pipeline.tables.naming import METRIC_TITLES, entry_title
from pipeline.tables.pairs import LEVEL_METRICS
from pipeline.tables.paper import methods_as_published

_METRICS: Final = tuple(metric for pair in LEVEL_METRICS.values() for metric in pair)
_RANKS: Final = {"**": 1, "*": 2}


@dataclass(frozen=True)
class Failure:
    """A reason and the cells that it cost."""

    reason: str
    cells: tuple[str, ...]


def facts(sources: Sources) -> dict[str, str]:
    """What was run, as pairs of a name and a value."""
    done = [row for row in sources.rows if row.status == "ok"]
    images = {(row.dataset, row.subset): row.n_images or 0 for row in done}
    subsets = sum(len(record.subsets) for record in sources.expected.values())
    seeds = sorted({row.seed for row in sources.rows if row.seed is not None})
    found = {
        "Cells": f"{len(done)} of {len(sources.rows)} finished",
        "Data sets": f"{len(sources.expected)}, with {subsets} subsets",
        "Images": str(sum(images.values())),
        "Methods and variants": str(len(sources.means)),
        "Seeds": ", ".join(map(str, seeds)) or "none",
    }
    return found | _run_facts(sources.run)


def failures(sources: Sources) -> list[Failure]:
    """Why cells have no numbers."""
    found: dict[str, list[str]] = {}
    for row in sources.rows:
        if row.error:
            found.setdefault(row.error, []).append(row.name)
    return [Failure(reason, tuple(cells)) for reason, cells in found.items()]


def averages(sources: Sources) -> Grid:
    """The plain average over the data sets of a domain, method by method."""
    means = methods_as_published(sources.means)
    domains = {
        domain: [name for name, it in sources.expected.items() if it.domain == domain]
        for domain in get_args(Domain)
    }
    columns = [(domain, metric) for domain, names in domains.items() if names for metric in _METRICS]
    by_column = [
        _cells([own.over_datasets(domains[domain], metric) for own in means.values()])
        for domain, metric in columns
    ]
    rows = [
        GridRow(entry_title(entry), cells)
        for entry, cells in zip(means, zip(*by_column, strict=True), strict=True)
    ]
    groups = tuple((domain.capitalize(), len(_METRICS)) for domain, names in domains.items() if names)
    headers = tuple(METRIC_TITLES[metric].removesuffix(" (200 steps)") for _, metric in columns)
    return Grid("averages", "Average over data sets", "Method", groups, headers, tuple(rows))


def _cells(means: Sequence[Mean]) -> list[GridCell]:
    texts = emphasised(means)
    return [
        GridCell(
            text=printed_or_dash(mean),
            sort="" if mean.value is None else f"{mean.value:.6f}",
            rank=_RANKS.get(text[: len(text) - len(text.lstrip("*"))], 0),
            note=mean.missing or "",
        )
        for mean, text in zip(means, texts, strict=True)
    ]


def _run_facts(run: Mapping[str, object]) -> dict[str, str]:
    """Of the sidecar, as far as it has them."""
    found = {}
    match run.get("git"):
        case {"commit": str(commit), "changed": bool(changed)}:
            found["Revision"] = commit[:12] + (" with changes" if changed else "")
    match run.get("seconds"):
        case {"evaluate": float(seconds) | int(seconds)}:
            found["Evaluation took"] = f"{seconds:.0f} s"
    match run.get("machine"):
        case {"platform": str(system), "processors": processors, "python": str(python)}:
            found["Machine"] = f"{system}, {processors} processors, Python {python}"
    match run.get("libraries"):
        case dict(libraries):
            found["Libraries"] = ", ".join(f"{name} {it}" for name, it in libraries.items() if it)
    return found
