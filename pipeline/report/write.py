"""The folder of a report: `report.html`, and every figure as SVG and PNG.

The page begins with what was run, what failed, and the averages of every method.
"""

import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from pipeline.cells import by_reason
from pipeline.files import write_text
from pipeline.report.chunks import pack, page_index, subset_chunk
from pipeline.report.figures import Figure, report_figures
from pipeline.report.grids import grids, hint, link, published, shown, sort_key
from pipeline.report.sources import Sources
from pipeline.tables import build_tables
from pipeline.tables.html import prose
from pipeline.tables.legend import LEVEL_TITLES, over_datasets
from pipeline.tables.model import Row, Section, Table, ranked
from pipeline.tables.outcome import Outcome
from pipeline.tables.write import in_track

_PACKAGE: Final = "pipeline.report"
_ASSETS: Final = "page"
_BY_SUBSET: Final = "subsets/"  # tables that the page makes itself
_SCRIPTS: Final = ("dom.js", "chunks.js", "tables.js", "pictures.js", "views.js", "theme.js", "main.js")


def write_report(sources: Sources, out: Path) -> list[Path]:
    """Write the report of a run; the same results give the same bytes.

    Args:
        sources: what it is made of.
        out: folder of the report, such as `results/miniature/report`.

    Returns:
        The files. Figures of an earlier report that this run has no data for are deleted.
    """
    figures = list(report_figures(sources))
    paths = [out / "figures" / f"{figure.name}{suffix}" for figure in figures for suffix in (".svg", ".png")]
    for figure in figures:
        for suffix in (".svg", ".png"):
            figure.draw(out / "figures" / f"{figure.name}{suffix}")
    for suffix in (".svg", ".png"):
        for stray in set((out / "figures").glob(f"*{suffix}")) - set(paths):
            stray.unlink()
    write_text(out / "report.html", _page(sources, figures, out / "figures"))
    return [out / "report.html", *paths]


def _page(sources: Sources, figures: Sequence[Figure], folder: Path) -> str:
    outcome = sources.outcome
    tables = [it for name, it in build_tables(outcome).items() if not name.startswith(_BY_SUBSET)]
    chunks = {
        f"{dataset}/{subset}": subset_chunk(sources, dataset, subset)
        for dataset, record in outcome.expected.items()
        for subset in record.subsets
    }
    for figure in figures:
        drawing = (folder / f"{figure.name}.svg").read_bytes()
        chunks[f"figure {figure.name}"] = pack([0, len(drawing)], drawing)
    return (
        page_environment(_PACKAGE)
        .get_template("report.html")
        .render(
            profile=outcome.profile,
            expected=outcome.expected,
            marks=outcome.marks(),
            stamp=_stamp(sources.run),
            facts=_facts(sources),
            failures=_failures(sources),
            averages=[grid for it in averages(outcome) for grid in grids(it)],
            grids=[it for table in tables for it in grids(table)],
            figures=figures,
            index=embedded(page_index(sources)),
            chunks=chunks,
            style=asset("style.css"),
            scripts=[asset(name) for name in _SCRIPTS],
        )
    )


def page_environment(package: str) -> Environment:
    """For the templates of a page, in the folder `page` of `package` and in ours; texts are escaped."""
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(name, _ASSETS) for name in (package, _PACKAGE)]),
        autoescape=select_autoescape(("html",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for show in (prose, shown, sort_key, hint, published, link):
        environment.filters[show.__name__] = show
    return environment


def asset(name: str, package: str = _PACKAGE) -> Markup:
    """A script or style in the folder `page` of `package`, as it goes into a page."""
    text = files(package).joinpath(_ASSETS, name).read_text(encoding="utf-8")
    return Markup(text)  # noqa: S704 - a file of this package


def embedded(value: Any) -> Markup:
    """`value` as JSON that cannot end the script element around it."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c"))  # noqa: S704 - no "<" is left


def _facts(sources: Sources) -> dict[str, str]:
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


def _failures(sources: Sources) -> list[str]:
    """Why cells have no numbers, one line for each reason."""
    return by_reason((row.name, row.error) for row in sources.rows if row.error)


def averages(outcome: Outcome) -> list[Table]:
    """The plain average over the data sets of a division, method by method; of each track a table."""
    return [in_track(_averages(part), track) for track, part in outcome.tracks.items()]


def _averages(outcome: Outcome) -> Table:
    part = outcome.only(outcome.methods)
    columns = [
        (division, names, task)
        for division, names in part.divisions.items()
        for task in LEVEL_TITLES
        if any(task in part.expected[name].tasks for name in names)
    ]
    by_column = [
        ranked([over_datasets(own, names, task) for own in part.means.values()]) for _, names, task in columns
    ]
    by_row = zip(*by_column, strict=True)  # nothing where no division is whole
    rows = tuple(Row((part.title(system),), slots) for system, slots in zip(part.means, by_row, strict=False))
    titles = (f"{division.capitalize()}, {task} level" for division, _, task in columns)
    section = Section(("Method", *titles), rows, text_columns=1)
    return Table("averages", "Average over data sets", part, (section,))


def _stamp(run: Mapping[str, object]) -> str:
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
