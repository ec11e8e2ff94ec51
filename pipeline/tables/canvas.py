"""A matplotlib figure as the report needs it: one style, the profile's mark, stable bytes as SVG or PNG."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from pipeline.files import atomic_path
from pipeline.tables.layout import profile_mark

# Okabe and Ito, Color Universal Design (2008).
BLUE: Final = "#0072B2"
ORANGE: Final = "#D55E00"
COLOURS: Final = (BLUE, ORANGE, "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
LINES: Final = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)), (0, (8, 2)))

_STYLE: Final = {
    "svg.hashsalt": "zsad",
    "svg.fonttype": "path",
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
_METADATA: Final = {".svg": {"Date": None, "Creator": None}, ".png": {"Software": None}}
_DPI: Final = 150


@contextmanager
def canvas(path: Path, size: tuple[float, float], profile: str) -> Iterator[Any]:
    """Yield a figure of `size` inches; at the end write it to `path`, in the format of its suffix."""
    # Slow to import.
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=size, layout="constrained")
        yield figure
        if mark := profile_mark(profile):
            figure.suptitle(mark, fontsize=7, x=0.01, ha="left")
        with atomic_path(path) as temporary:
            figure.savefig(temporary, format=path.suffix[1:], dpi=_DPI, metadata=_METADATA[path.suffix])
