"""The folder of a report: `report.html`, and every figure as SVG and PNG."""

import json
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from pipeline.files import write_text
from pipeline.report.chunks import pack, page_index, subset_chunk
from pipeline.report.figures import Figure, report_figures
from pipeline.report.grids import grids, hint, link, published, shown, sort_key
from pipeline.report.overview import averages, facts, failures
from pipeline.report.sources import Sources
from pipeline.tables import build_tables
from pipeline.tables.html import prose

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
    for stray in set((out / "figures").glob("*")) - set(paths):
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
            facts=facts(sources),
            failures=failures(sources),
            averages=grids(averages(outcome)),
            grids=[it for table in tables for it in grids(table)],
            figures=figures,
            index=embedded(page_index(sources)),
            chunks=chunks,
            style=asset("style.css"),
            scripts=[asset(name) for name in _SCRIPTS],
        )
    )


def page_environment(package: str) -> Environment:
    """For the templates of a page, in the folder `page` of `package`; texts are escaped."""
    environment = Environment(
        loader=PackageLoader(package, _ASSETS),
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
