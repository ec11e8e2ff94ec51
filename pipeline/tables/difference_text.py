"""The differences of two runs as text: lines for a terminal, or Markdown for a pull request."""

from collections import Counter
from collections.abc import Sequence
from typing import Final, get_args

from pipeline.tables.compare import Difference, Verdict
from pipeline.tables.markdown import grid

_MOST_ROWS: Final = 60  # of a section: a comment on a pull request may have 65536 characters
_SHOWN: Final[tuple[Verdict, ...]] = ("worse", "gone", "better", "new")


def headline(differences: Sequence[Difference], tolerance: float) -> str:
    """One line: how many values moved, by verdict."""
    counts = Counter(difference.verdict for difference in differences)
    parts = [f"{counts[verdict]} {verdict}" for verdict in get_args(Verdict) if counts[verdict]]
    told = f": {', '.join(parts)}" if parts else ""
    return f"{len(differences)} values differ by more than {tolerance} points{told}"


def diff_text(differences: Sequence[Difference], tolerance: float) -> str:
    """A line a value, and the headline last."""
    return "\n".join([*(str(difference) for difference in differences), headline(differences, tolerance)])


def diff_markdown(differences: Sequence[Difference], tolerance: float) -> str:
    """The headline, then a table of what got worse, went, got better or is new; the rest folded."""
    lines = [f"**{headline(differences, tolerance)}**"]
    for verdict in _SHOWN:
        if chosen := [it for it in differences if it.verdict == verdict]:
            lines += ["", f"### {verdict.capitalize()}", "", *_rows(chosen)]
    if rest := [it for it in differences if it.verdict not in _SHOWN]:
        lines += [
            "",
            "<details><summary>Within noise, or not judged</summary>",
            "",
            *_rows(rest),
            "",
            "</details>",
        ]
    return "\n".join(lines)


def _rows(differences: Sequence[Difference]) -> list[str]:
    rows = [
        [it.name.replace("|", "\\|"), _points(it.before), _points(it.after), _moved(it), _points(it.noise)]
        for it in differences[:_MOST_ROWS]
    ]
    more = len(differences) - len(rows)
    tail = ["", f"and {more} more; `zsad diff` lists them"] if more else []
    return [
        *grid(["Value", "before", "after", "difference", "noise"], rows, [True, False, False, False, False]),
        *tail,
    ]


def _points(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _moved(difference: Difference) -> str:
    if difference.before is None or difference.after is None:
        return ""
    return f"{difference.after - difference.before:+.2f}"
