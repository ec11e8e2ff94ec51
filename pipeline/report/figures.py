"""Which figures a report has, with title, caption and a text for readers who do not see them.

Figures 5 and 6 and the overview are those of the tables; pictures, scores and training curves are added.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline.report.curves import training_curves
from pipeline.report.distributions import score_distributions
from pipeline.report.panels import Column, panel_rows, picture_panels
from pipeline.report.sources import Sources
from pipeline.tables.aggregate import Entry
from pipeline.tables.drawing import Picture, draw
from pipeline.tables.figures import figures as table_figures
from pipeline.tables.naming import entry_title
from pipeline.tables.paper import methods_as_published
from pipeline.tables.variants import TUNINGS

Draw = Callable[[Path], None]

# Figure 3: the same prompts, without DPAM and with it (Table 4's base and its first module).
_ATTENTION: Final = {
    Entry("anomalyclip", "base"): "without DPAM (Q-K)",
    Entry("anomalyclip", "t1"): "with DPAM (V-V)",
}
_TITLES: Final = {
    "pixel_auroc": "Pixel AUROC by data set and method",
    "figure5": "Figure 5. Gain of object-agnostic over object-aware prompts",
    "figure6": "Figure 6. Attention of DPAM",
}


@dataclass(frozen=True)
class Figure:
    """One figure.

    Attributes:
        name: of its files.
        title: its heading.
        caption: how to read it.
        alt: what it shows, in words.
        draw: writes it to a path, as `.svg` or `.png`.
    """

    name: str
    title: str
    caption: str
    alt: str
    draw: Draw


def report_figures(sources: Sources) -> Iterator[Figure]:
    """The figures that the run has data for, overview first, then in the paper's order."""
    found = dict(table_figures(sources.means, sources.expected))
    yield from _dots(found, "pixel_auroc", sources)
    yield from _attention(sources)
    yield from _segmentation(sources)
    for name in ("figure5", "figure6"):
        yield from _dots(found, name, sources)
    yield from _distributions(sources)
    yield from _training(sources)


def _dots(found: dict[str, Picture], name: str, sources: Sources) -> Iterator[Figure]:
    if (picture := found.get(name)) is None:
        return
    yield Figure(
        name,
        _TITLES[name],
        "A row a data set; a marker a series of the legend, a little apart so that none hides another.",
        _words(picture),
        lambda path: draw(picture, profile=sources.profile, path=path),
    )


def _words(picture: Picture) -> str:
    """The ranges of a dot plot, series by series."""
    parts = []
    for panel in picture.panels:
        for title, values in panel.series.items():
            known = [100 * value for value in values if value is not None]
            if known:
                parts.append(
                    f"{title}, {panel.label}: {min(known):.1f} to {max(known):.1f}, "
                    f"mean {sum(known) / len(known):.1f}, {len(known)} data sets"
                )
    return "Dot plot. " + ("; ".join(parts) or "No values") + "."


def _attention(sources: Sources) -> Iterator[Figure]:
    columns = [Column(entry, title) for entry, title in _ATTENTION.items()]
    if any(column.entry not in sources.means for column in columns):
        return
    yield from _panels(
        sources,
        columns,
        "figure3",
        "Figure 3. Local visual semantics with and without DPAM",
        "Anomaly maps of AnomalyCLIP with prompts by hand: only the attention of the local path differs. The "
        "paper's figure shows attention weights of single tokens; these are the maps that they lead to.",
    )


def _segmentation(sources: Sources) -> Iterator[Figure]:
    columns = [Column(entry, entry_title(entry)) for entry in methods_as_published(sources.means)]
    yield from _panels(
        sources,
        columns,
        "figure4",
        "Figure 4. Segmentation",
        "One anomalous image a data set, chosen by its place in the list and not by any score. Each map runs "
        "from its own lowest to its own highest value: colours say where, not how much.",
    )


def _panels(sources: Sources, columns: list[Column], name: str, title: str, caption: str) -> Iterator[Figure]:
    rows = panel_rows(sources, columns)
    if not rows:
        return
    shown = ", ".join(f"{row.title} ({row.subset})" for row in rows)
    alt = (
        f"Grid of pictures. Rows: {shown}. Columns: image, mask, then the heatmap of "
        f"{', '.join(column.title for column in columns)}."
    )
    yield Figure(name, title, caption, alt, lambda path: picture_panels(rows, columns, sources.profile, path))


def _distributions(sources: Sources) -> Iterator[Figure]:
    entries = list(methods_as_published(sources.means))
    names = [name for name, it in sources.expected.items() if "image" in it.tasks]
    if not (sources.scores and names):
        return
    yield Figure(
        "score_distributions",
        "Distribution of image scores",
        "Normal (filled, blue) and anomalous images (line, orange) of all subsets of a data set, from the "
        "lowest to the highest score of the method on it. The less they overlap, the higher the AUROC.",
        f"Histograms of image scores, normal against anomalous, for {len(entries)} methods and {len(names)} "
        "data sets. The image AUROC of the tables says how far they are apart.",
        lambda path: score_distributions(sources, entries, names, path),
    )


def _training(sources: Sources) -> Iterator[Figure]:
    histories = [
        it
        for it in sources.histories
        if it.epochs and it.entry in sources.means and (not it.entry.variant or it.entry in TUNINGS)
    ]
    if not histories:
        return
    ends = "; ".join(
        f"{it.entry.name} on {it.auxiliary}: {it.epochs[0]['total']:.3g} to {it.epochs[-1]['total']:.3g}"
        for it in histories
        if not it.entry.variant
    )
    yield Figure(
        "training",
        "Training curves",
        "Mean total loss an epoch; a plot a method, a line an auxiliary set and seed. No ablations.",
        f"Line plots of the training loss. From the first to the last epoch: {ends}.",
        lambda path: training_curves(histories, sources.profile, path),
    )
