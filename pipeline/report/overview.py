"""The first page of the report: what was run, what failed, and the averages of every method."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

from pipeline.report.sources import Sources
from pipeline.tables.expected import Domain
from pipeline.tables.incomplete import shortfall
from pipeline.tables.legend import LEVEL_TITLES, entry_title, over_datasets
from pipeline.tables.model import Row, Section, Table, ranked
from pipeline.tables.paper import methods_as_published


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


def averages(sources: Sources) -> Table:
    """The plain average over the data sets of a domain, method by method."""
    means = methods_as_published(sources.means)
    domains = {
        domain: [name for name, it in sources.expected.items() if it.domain == domain]
        for domain in get_args(Domain)
    }
    columns = [
        (domain, task)
        for domain, names in domains.items()
        for task in LEVEL_TITLES
        if any(task in sources.expected[name].tasks for name in names)
    ]
    by_column = [
        ranked([over_datasets(entry, own, domains[domain], task) for entry, own in means.items()])
        for domain, task in columns
    ]
    rows = tuple(
        Row((entry_title(entry),), slots)
        for entry, slots in zip(means, zip(*by_column, strict=True), strict=True)
    )
    titles = (f"{domain.capitalize()}, {task} level" for domain, task in columns)
    section = Section(("Method", *titles), rows, text_columns=1)
    lacks = shortfall(means, sources.expected)
    return Table("averages", "Average over data sets", sources.profile, (section,), shortfall=lacks)


def _run_facts(run: Mapping[str, object]) -> dict[str, str]:
    """Of the sidecar, as far as it has them."""
    if not run:
        return {"Revision, machine, time taken": "in run.json beside these results; `zsad report` shows them"}
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
