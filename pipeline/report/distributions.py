"""Histograms of image scores, normal against anomalous: data sets in rows, methods in columns."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from pipeline.report.canvas import BLUE, ORANGE, canvas
from pipeline.report.sources import Sources
from pipeline.tables.aggregate import Entry
from pipeline.tables.naming import entry_title

_BINS: Final = 30


def score_distributions(
    sources: Sources, entries: Sequence[Entry], datasets: Sequence[str], path: Path
) -> None:
    """Draw the histograms; each is scaled to its own highest bar, and an empty place had no scores."""
    size = (1.5 * len(entries) + 1.2, 0.62 * len(datasets) + 1.0)
    with canvas(path, size, sources.profile) as figure:
        grid = figure.subplots(len(datasets), len(entries), squeeze=False)
        for line, dataset in zip(grid, datasets, strict=True):
            scores = _of_dataset(sources, dataset)
            for axes, entry in zip(line, entries, strict=True):
                _histogram(axes, scores, entry)
            title = sources.expected[dataset].title
            line[0].set_ylabel(title, rotation=0, ha="right", va="center", fontsize=7)
        for axes, entry in zip(grid[0], entries, strict=True):
            axes.set_title(entry_title(entry), fontsize=8)
        handles = {label: handle for handle, label in _legend(grid)}
        figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=2, frameon=False)


def _legend(grid: Any) -> list[tuple[Any, str]]:
    return [pair for axes in grid.flat for pair in zip(*axes.get_legend_handles_labels(), strict=True)]


def _of_dataset(sources: Sources, dataset: str) -> pd.DataFrame | None:
    own = [sources.scores.get((dataset, subset)) for subset in sources.expected[dataset].subsets]
    known = [frame for frame in own if frame is not None]
    return pd.concat(known) if known else None


def _histogram(axes: Any, scores: pd.DataFrame | None, entry: Entry) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    if scores is None:
        return
    own = scores[(scores["method"] == entry.method) & (scores["variant"] == entry.variant)]
    if own.empty:
        return
    values, labels = own["score"].to_numpy(float), own["label"].to_numpy(int)
    edges = np.histogram_bin_edges(values, _BINS)
    for label, title in ((0, "normal"), (1, "anomalous")):
        part = values[labels == label]
        if not len(part):
            continue
        counts = np.histogram(part, edges)[0] / len(part)
        if label:
            axes.stairs(counts, edges, color=ORANGE, linewidth=1.0, label=title)
        else:
            axes.stairs(counts, edges, color=BLUE, fill=True, alpha=0.6, label=title)
