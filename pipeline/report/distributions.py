"""Histograms of image scores, normal against anomalous: data sets in rows, methods in columns."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipeline.report.sources import ImageScores, Sources
from pipeline.tables.aggregate import Entry
from pipeline.tables.canvas import BLUE, ORANGE, canvas
from pipeline.tables.naming import entry_title
from pipeline.tables.shortfall import shortfall

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
