"""Training curves: the loss of every tuning, epoch by epoch, one plot a method.

Histograms of image scores, normal against anomalous: data sets in rows, methods in columns.

Which figures a report has, with title, caption and a text for readers who do not see them.

Figures 5 and 6 and the overview are those of the tables; pictures, scores and training curves are added.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipeline.report.pictures import Column, panel_rows, picture_panels
from pipeline.report.sources import History, ImageScores, Sources
from pipeline.tables.aggregate import Entry
from pipeline.tables.figures import BLUE, COLOURS, GRID, ORANGE, Picture, canvas, draw
from pipeline.tables.figures import figures as table_figures
from pipeline.tables.incomplete import shortfall
from pipeline.tables.legend import METHOD_TITLES, entry_title
from pipeline.tables.paper import methods_as_published
from pipeline.tables.verdicts import TUNINGS

_LINES: Final = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)), (0, (8, 2)))


def training_curves(histories: Sequence[History], profile: str, path: Path) -> None:
    """Draw the total losses; lines differ in colour and in style."""
    methods = sorted({it.entry.method for it in histories})
    most = max(sum(it.entry.method == method for it in histories) for method in methods)
    height = 2.4 + 0.15 * most
    with canvas(path, (3.4 * len(methods), height), profile) as figure:
        for axes, method in zip(figure.subplots(1, len(methods), squeeze=False)[0], methods, strict=True):
            own = [it for it in histories if it.entry.method == method]
            for index, history in enumerate(own):
                losses = [epoch["total"] for epoch in history.epochs]
                axes.plot(
                    range(1, len(losses) + 1),
                    losses,
                    color=COLOURS[index % len(COLOURS)],
                    linestyle=_LINES[(index + index // len(COLOURS)) % len(_LINES)],
                    linewidth=1.2,
                    marker="o" if len(losses) == 1 else None,
                    label=_label(history),
                )
            axes.set_title(METHOD_TITLES.get(method, method))
            axes.set_xlabel("epoch")
            axes.set_ylabel("loss")
            axes.grid(**GRID)
            axes.legend(fontsize=6, frameon=False, loc="upper left", bbox_to_anchor=(0, -0.2))


def _label(history: History) -> str:
    variant = f"{history.entry.variant}, " if history.entry.variant else ""
    return f"{variant}on {history.auxiliary}, seed {history.seed}"


_BINS: Final = 30
_WIDTH, _HEIGHT = 0.9, 0.8  # of a histogram in its unit square


def score_distributions(
    sources: Sources, entries: Sequence[Entry], datasets: Sequence[str], path: Path
) -> None:
    """Draw the histograms; each is scaled to its own highest bar, and an empty place had no scores."""
    size = (1.35 * len(entries) + 1.2, 0.55 * len(datasets) + 0.9)
    lacks = shortfall({entry: sources.means[entry] for entry in entries}, datasets)
    with canvas(path, size, sources.profile, lacks) as figure:
        # One pair of axes for all of them: sixty would take ten seconds.
        axes = figure.subplots()
        axes.spines[:].set_visible(False)
        for row, dataset in enumerate(datasets):
            for column, entry in enumerate(entries):
                if found := _scores(sources, dataset, entry):
                    _histogram(axes, found, column, -row)
        axes.set_xlim(0, len(entries))
        axes.set_ylim(1 - len(datasets), 1)
        axes.set_xticks([column + _WIDTH / 2 for column in range(len(entries))], map(entry_title, entries))
        axes.set_yticks(
            [-row for row in range(len(datasets))], [sources.expected[it].title for it in datasets]
        )
        axes.xaxis.tick_top()
        axes.tick_params(length=0)
        handles, labels = axes.get_legend_handles_labels()
        known = dict(zip(labels, handles, strict=True))
        figure.legend(known.values(), known.keys(), loc="outside lower center", ncols=2, frameon=False)


def _scores(sources: Sources, dataset: str, entry: Entry) -> ImageScores | None:
    """Of all subsets and seeds."""
    own = [
        found
        for subset in sources.expected[dataset].subsets
        for row in sources.by_subset.get((dataset, subset), [])
        if (row.method, row.variant) == (entry.method, entry.variant)
        and (found := sources.scores.get(row.key)) is not None
    ]
    if not own:
        return None
    return ImageScores(np.concatenate([it.labels for it in own]), np.concatenate([it.scores for it in own]))


def _histogram(axes: Any, found: ImageScores, left: float, floor: float) -> None:
    edges = np.histogram_bin_edges(found.scores, _BINS)
    parts = [_shares(found.scores[found.labels == label], edges) for label in (0, 1)]
    scale = _HEIGHT / max(part.max() for part in parts)
    places = left + _WIDTH * (edges - edges[0]) / (edges[-1] - edges[0])
    normal, anomalous = (floor + scale * part for part in parts)
    axes.hlines(floor, left, left + _WIDTH, color="#bbbbbb", linewidth=0.6)
    axes.stairs(normal, places, baseline=floor, color=BLUE, fill=True, alpha=0.55, label="normal")
    axes.stairs(anomalous, places, baseline=floor, color=ORANGE, linewidth=1.0, label="anomalous")


def _shares(scores: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.histogram(scores, edges)[0] / max(len(scores), 1)


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
