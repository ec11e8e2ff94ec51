"""The first page of the report: what was run, what failed, and the averages of every method."""

from collections.abc import Mapping

from pipeline.cells import by_reason
from pipeline.report.sources import Sources
from pipeline.tables.legend import LEVEL_TITLES, over_datasets
from pipeline.tables.model import Row, Section, Table, ranked
from pipeline.tables.outcome import Outcome


def facts(sources: Sources) -> dict[str, str]:
    """What was run, as pairs of a name and a value."""
    rows, outcome = sources.rows, sources.outcome
    done = [row for row in rows if row.status == "ok"]
    images = {(row.dataset, row.subset): row.n_images or 0 for row in done}
    subsets = sum(len(record.subsets) for record in outcome.expected.values())
    seeds = sorted({row.seed for row in rows if row.seed is not None})
    found = {
        "Cells": f"{len(done)} of {len(rows)} finished",
        "Data sets": f"{len(outcome.expected)}, with {subsets} subsets",
        "Images": str(sum(images.values())),
        "Methods and variants": str(len(outcome.means)),
        "Seeds": ", ".join(map(str, seeds)) or "none",
    }
    return found | _run_facts(sources.run)


def failures(sources: Sources) -> list[str]:
    """Why cells have no numbers, one line for each reason."""
    return by_reason((row.name, row.error) for row in sources.rows if row.error)


def averages(outcome: Outcome) -> Table:
    """The plain average over the data sets of a domain, method by method."""
    part = outcome.only(outcome.methods)
    columns = [
        (domain, names, task)
        for domain, names in part.domains.items()
        for task in LEVEL_TITLES
        if any(task in part.expected[name].tasks for name in names)
    ]
    by_column = [
        ranked([over_datasets(own, names, task) for own in part.means.values()]) for _, names, task in columns
    ]
    by_row = zip(*by_column, strict=True)
    rows = tuple(Row((part.title(system),), slots) for system, slots in zip(part.means, by_row, strict=True))
    titles = (f"{domain.capitalize()}, {task} level" for domain, _, task in columns)
    section = Section(("Method", *titles), rows, text_columns=1)
    return Table("averages", "Average over data sets", part, (section,))


def stamp(run: Mapping[str, object]) -> str:
    """Revision, date and machine in one line; in the copy that DVC keeps, where they are to be had."""
    known = _run_facts(run)
    if not known:
        return (
            "This is the copy that DVC keeps, the same in every clone. The page to pass on, with revision, "
            "date and machine of the run, is written by `zsad report`."
        )
    told = {name.lower(): known[name] for name in ("Revision", "Finished", "Machine") if name in known}
    return f"Run: {'; '.join(f'{name} {value}' for name, value in told.items())}."


def _run_facts(run: Mapping[str, object]) -> dict[str, str]:
    """Of the sidecar, as far as it has them."""
    found = {}
    match run.get("git"):
        case {"commit": str(commit), "changed": bool(changed)}:
            found["Revision"] = commit[:12] + (" with changes" if changed else "")
    match run.get("finished"):
        case str(moment):
            found["Finished"] = f"{moment[:16].replace('T', ' ')} UTC"
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
