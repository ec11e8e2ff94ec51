"""Which figures a report has, with title, caption and a text for readers who do not see them.

Figures 5 and 6 and the overview are the dot plots of the tables. Added are grids of pictures (`pictures`),
histograms of image scores, normal against anomalous, with data sets in rows and methods in columns, and the
loss of every tuning, epoch by epoch, one plot for each method.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipeline.cells import System
from pipeline.report.pictures import draw_panels, panels
from pipeline.report.sources import History, ImageScores, Sources
from pipeline.tables.cost import draw_cost
from pipeline.tables.figures import BLUE, COLOURS, GRID, ORANGE, DotPlot, canvas, dot_plots
from pipeline.tables.outcome import Outcome
from pipeline.tables.paper import TUNINGS

# Figure 3: the same prompts, without DPAM and with it (Table 4's base and its first module).
_ATTENTION: Final = {
    System("anomalyclip", "base"): "without DPAM (Q-K)",
    System("anomalyclip", "t1"): "with DPAM (V-V)",
}
_TITLES: Final = {
    "pixel_auroc": "Pixel AUROC by data set and method",
    "figure5": "Figure 5. Gain of object-agnostic over object-aware prompts",
    "figure6": "Figure 6. Attention of DPAM",
}
_BINS: Final = 30
_WIDTH, _HEIGHT = 0.9, 0.8  # of a histogram in its unit square
_LINES: Final = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)), (0, (8, 2)))


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
    draw: Callable[[Path], None]


def report_figures(sources: Sources) -> Iterator[Figure]:
    """The figures that the run has data for, overview first, then in the paper's order; of the main track."""
    sources = replace(sources, outcome=sources.outcome.main)
    found = {plot.name: plot for plot in dot_plots(sources.outcome)}
    yield _dots(found.pop("pixel_auroc"))
    if not sources.outcome.means:  # a run of another track alone
        return
    yield from _attention(sources)
    yield from _segmentation(sources)
    yield from map(_dots, found.values())
    yield from _distributions(sources)
    yield from _training(sources)
    yield from _cost(sources)


def _dots(plot: DotPlot) -> Figure:
    return Figure(
        plot.name,
        _TITLES[plot.name],
        "One row for each data set, one marker for each series, a little apart so that none hides another.",
        _words(plot),
        plot.draw,
    )


def _cost(sources: Sources) -> Iterator[Figure]:
    costs = sources.costs
    if costs is None or not sources.outcome.divisions:
        return
    times = ", ".join(f"{it.system.name} {it.image_ms:.3g} ms" for it in costs.systems)
    yield Figure(
        "cost",
        "Accuracy over time",
        f"Milliseconds of an image on {costs.device}, as `zsad cost` measured them; the table is in the "
        "folder `cost` of the results. One marker for each method and variant that has the mean.",
        f"Two plots, image and pixel AUROC over the time of an image: {times}.",
        lambda path: draw_cost(sources.outcome, costs, path),
    )


def _words(plot: DotPlot) -> str:
    """The ranges of a dot plot, series by series."""
    parts = []
    for label, series in plot.panels.items():
        for title, values in series.items():
            known = [100 * value for value in values if value is not None]
            if known:
                parts.append(
                    f"{title}, {label}: {min(known):.1f} to {max(known):.1f}, "
                    f"mean {sum(known) / len(known):.1f}, {len(known)} data sets"
                )
    return "Dot plot. " + ("; ".join(parts) or "No values") + "."


def _attention(sources: Sources) -> Iterator[Figure]:
    if not _ATTENTION.keys() <= sources.outcome.means.keys():
        return
    yield from _panels(
        sources,
        _ATTENTION,
        "figure3",
        "Figure 3. Local visual semantics with and without DPAM",
        "Anomaly maps of AnomalyCLIP with prompts by hand: only the attention of the local path differs. The "
        "paper's figure shows attention weights of single tokens; these are the maps that they lead to.",
    )


def _segmentation(sources: Sources) -> Iterator[Figure]:
    yield from _panels(
        sources,
        {system: sources.outcome.title(system) for system in sources.outcome.methods},
        "figure4",
        "Figure 4. Segmentation",
        "One anomalous image of each data set, chosen by its place in the list and not by any score. Each "
        "map runs from its own lowest to its own highest value: colours say where, not how much.",
    )


def _panels(
    sources: Sources, titles: Mapping[System, str], name: str, title: str, caption: str
) -> Iterator[Figure]:
    rows = panels(sources, list(titles))
    if not rows:
        return
    part = sources.outcome.only(titles, [dataset for dataset, _ in rows])
    shown = ", ".join(f"{part.expected[dataset].title} ({subset})" for dataset, subset in rows)
    alt = (
        f"Grid of pictures. Rows: {shown}. Columns: image, mask, then the heatmap of "
        f"{', '.join(titles.values())}."
    )
    yield Figure(name, title, caption, alt, lambda path: draw_panels(rows, part, list(titles.values()), path))


def _distributions(sources: Sources) -> Iterator[Figure]:
    outcome = sources.outcome
    part = outcome.only(
        outcome.methods, [name for name, it in outcome.expected.items() if "image" in it.tasks]
    )
    if not (sources.scores and part.expected):
        return
    yield Figure(
        "score_distributions",
        "Distribution of image scores",
        "Normal (filled, blue) and anomalous images (line, orange) of all subsets of a data set, from the "
        "lowest to the highest score of the method on it. The less they overlap, the higher the AUROC.",
        f"Histograms of image scores, normal against anomalous, for {len(part.means)} methods and "
        f"{len(part.expected)} data sets. The image AUROC of the tables says how far they are apart.",
        lambda path: _draw_distributions(sources, part, path),
    )


def _draw_distributions(sources: Sources, part: Outcome, path: Path) -> None:
    """Each is scaled to its own highest bar, and an empty place had no scores."""
    systems, datasets = list(part.means), list(part.expected)
    size = (1.35 * len(systems) + 1.2, 0.55 * len(datasets) + 0.9)
    with canvas(path, size, part) as figure:
        # One pair of axes for all of them: sixty would take ten seconds.
        axes = figure.subplots()
        axes.spines[:].set_visible(False)
        for row, dataset in enumerate(datasets):
            for column, system in enumerate(systems):
                if found := _scores(sources, dataset, system):
                    _histogram(axes, found, column, -row)
        axes.set_xlim(0, len(systems))
        axes.set_ylim(1 - len(datasets), 1)
        axes.set_xticks([column + _WIDTH / 2 for column in range(len(systems))], map(part.title, systems))
        axes.set_yticks([-row for row in range(len(datasets))], [it.title for it in part.expected.values()])
        axes.xaxis.tick_top()
        axes.tick_params(length=0)
        handles, labels = axes.get_legend_handles_labels()
        known = dict(zip(labels, handles, strict=True))
        figure.legend(known.values(), known.keys(), loc="outside lower center", ncols=2, frameon=False)


def _scores(sources: Sources, dataset: str, system: System) -> ImageScores | None:
    """Of all subsets and seeds."""
    own = [
        found
        for subset in sources.outcome.expected[dataset].subsets
        for row in sources.by_subset.get((dataset, subset), [])
        if (row.method, row.variant) == system and (found := sources.scores.get(row.key)) is not None
    ]
    if not own:
        return None
    labels, scores = zip(*own, strict=True)
    return np.concatenate(labels), np.concatenate(scores)


def _histogram(axes: Any, found: ImageScores, left: float, floor: float) -> None:
    labels, scores = found
    edges = np.histogram_bin_edges(scores, _BINS)
    parts = [_shares(scores[labels == label], edges) for label in (0, 1)]
    scale = _HEIGHT / max(part.max() for part in parts)
    places = left + _WIDTH * (edges - edges[0]) / (edges[-1] - edges[0])
    normal, anomalous = (floor + scale * part for part in parts)
    axes.hlines(floor, left, left + _WIDTH, color="#bbbbbb", linewidth=0.6)
    axes.stairs(normal, places, baseline=floor, color=BLUE, fill=True, alpha=0.55, label="normal")
    axes.stairs(anomalous, places, baseline=floor, color=ORANGE, linewidth=1.0, label="anomalous")


def _shares(scores: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.histogram(scores, edges)[0] / max(len(scores), 1)


def _training(sources: Sources) -> Iterator[Figure]:
    shown = {it for it in sources.outcome.means if not it.variant or it in TUNINGS}
    histories = [it for it in sources.histories if it.epochs and it.system in shown]
    if not histories:
        return
    ends = "; ".join(
        f"{it.system.name} on {it.auxiliary}: {it.epochs[0]['total']:.3g} to {it.epochs[-1]['total']:.3g}"
        for it in histories
        if not it.system.variant
    )
    yield Figure(
        "training",
        "Training curves",
        "Mean total loss of each epoch: one plot for each method, one line for each auxiliary set and seed. "
        "No ablations.",
        f"Line plots of the training loss. From the first to the last epoch: {ends}.",
        lambda path: _draw_training(histories, sources.outcome, path),
    )


def _draw_training(histories: Sequence[History], outcome: Outcome, path: Path) -> None:
    """The total losses; lines differ in colour and in style."""
    by_method: dict[str, list[History]] = {}
    for history in sorted(histories, key=lambda it: it.system.method):
        by_method.setdefault(history.system.method, []).append(history)
    size = (3.4 * len(by_method), 2.4 + 0.15 * max(map(len, by_method.values())))
    with canvas(path, size, outcome.only((), ())) as figure:  # no cell is shown
        every = figure.subplots(1, len(by_method), squeeze=False)[0]
        for axes, (method, own) in zip(every, by_method.items(), strict=True):
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
            axes.set_title(outcome.title(System(method)))
            axes.set_xlabel("epoch")
            axes.set_ylabel("loss")
            axes.grid(**GRID)
            axes.legend(fontsize=6, frameon=False, loc="upper left", bbox_to_anchor=(0, -0.2))


def _label(history: History) -> str:
    variant = f"{history.system.variant}, " if history.system.variant else ""
    return f"{variant}on {history.auxiliary}, seed {history.seed}"
