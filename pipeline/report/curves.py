"""Training curves: the loss of every tuning, epoch by epoch, one plot a method."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pipeline.report.sources import History
from pipeline.tables.canvas import COLOURS, GRID, canvas
from pipeline.tables.naming import METHOD_TITLES

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
