"""A matplotlib figure in the style of tables and report: marks on top, stable bytes as SVG or PNG.

Colours are Okabe and Ito's, which colour-blind readers tell apart (Color Universal Design, 2008), without
yellow, which is too pale for a small marker.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from pipeline.files import atomic_path
from pipeline.tables.layout import profile_mark
from pipeline.tables.shortfall import Shortfall

BLUE: Final = "#0072B2"
ORANGE: Final = "#D55E00"
COLOURS: Final = (BLUE, ORANGE, "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
GRID: Final = {"color": "#dddddd", "linewidth": 0.6}

_STYLE: Final = {
    "svg.hashsalt": "zsad",
    "svg.fonttype": "path",
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
# What would change from one drawing to the next.
_METADATA: Final = {".svg": {"Date": None, "Creator": None}, ".png": {"Software": None}}
_DPI: Final = 150


@contextmanager
def canvas(
    path: Path, size: tuple[float, float], profile: str, shortfall: Shortfall | None = None
) -> Iterator[Any]:
    """Yield a figure of `size` inches; at the end write it to `path`, in the format of its suffix.

    The profile's mark, and what cells are lacking, stand above whatever is drawn.
    """
    # Slow to import, and the rest of the tables do without it.
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=size, layout="constrained")
        yield figure
        if marks := [mark for mark in (profile_mark(profile), shortfall and shortfall.short) if mark]:
            figure.suptitle("\n".join(marks), fontsize=7, x=0.01, ha="left")
        with atomic_path(path) as temporary:
            figure.savefig(temporary, format=path.suffix[1:], dpi=_DPI, metadata=_METADATA[path.suffix])
