"""Markdown as the tables need it: the profile's mark, a grid, best values, footnotes for what is missing.

Knows nothing of data sets or methods.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

from pipeline.tables.aggregate import Mean

UNDEFINED: Final = "-"
NO_DATASET: Final = "This run has no data set of this table."
PAPER_PROFILE: Final = "paper"
_MARKS: Final = {
    "miniature": "MINIATURE PROFILE: drawn data and a tiny CLIP; not comparable with the paper.",
}


def profile_mark(profile: str) -> str | None:
    """The sentence on top of every table whose numbers must not be held against the paper's."""
    if profile == PAPER_PROFILE:
        return None
    return _MARKS.get(profile, f"{profile.upper()} PROFILE: not comparable with the paper.")


def heading(title: str, profile: str) -> list[str]:
    """Title and, under it, the profile's mark."""
    mark = profile_mark(profile)
    return [f"# {title}", ""] + ([f"> **{mark}**", ""] if mark else [])


def grid(header: Sequence[str], rows: Sequence[Sequence[str]], *, text_columns: int) -> list[str]:
    """A table; the first `text_columns` columns are aligned left, the others right."""
    aligned = ["---" if column < text_columns else "---:" for column in range(len(header))]
    return [f"| {' | '.join(row)} |" for row in (header, aligned, *rows)]


def printed(value: float) -> str:
    """A share as the paper prints it: in percent with one decimal, halves rounded up.

    Means of small subsets are often exact halves; float noise of 1e-14 must not decide how they print.
    """
    return f"{_rounded(value):.1f}"


def signed(value: float) -> str:
    """A difference of shares, printed likewise with its sign; a difference that rounds to zero has none."""
    rounded = _rounded(value)
    return f"{rounded:+.1f}" if rounded else "0.0"


def printed_or_dash(mean: Mean) -> str:
    """The printed value, or `-` where there is none."""
    return UNDEFINED if mean.value is None else printed(mean.value)


def signed_or_dash(mean: Mean) -> str:
    """The signed value, or `-` where there is none."""
    return UNDEFINED if mean.value is None else signed(mean.value)


def emphasised(means: Sequence[Mean]) -> list[str]:
    """The printed values of one metric, method by method: the best bold, the second best in italics.

    Values are compared as printed, so that equal figures are marked equally. A rank is marked only where a
    lower value exists: one method alone is not the best of anything.
    """
    texts = [printed_or_dash(mean) for mean in means]
    ranks = sorted({float(text) for text in texts if text != UNDEFINED}, reverse=True)
    marks = dict(zip(ranks[:-1], ("**", "*"), strict=False))
    return [_wrapped(text, "" if text == UNDEFINED else marks.get(float(text), "")) for text in texts]


def _rounded(value: float) -> Decimal:
    return Decimal(f"{100 * value:.9f}").quantize(Decimal("0.1"), ROUND_HALF_UP)


def _wrapped(text: str, mark: str) -> str:
    return f"{mark}{text}{mark}"


@dataclass
class Footnotes:
    """Reasons below a table, each numbered once, in the order in which the table mentions them."""

    _numbers: dict[str, int] = field(default_factory=dict)

    def mark(self, reasons: Sequence[str]) -> str:
        """` [1][2]` for `reasons`, "" for none."""
        numbers = [
            self._numbers.setdefault(reason, len(self._numbers) + 1) for reason in dict.fromkeys(reasons)
        ]
        return " " + "".join(f"[{number}]" for number in numbers) if numbers else ""

    def lines(self) -> list[str]:
        """The notes, one a line, as they stand below the table."""
        if not self._numbers:
            return []
        return [
            "",
            "No value, because:",
            "",
            *(f"- [{number}] {text}" for text, number in self._numbers.items()),
        ]


def page(title: str, profile: str, body: Sequence[str], legend: Sequence[str], notes: Footnotes) -> str:
    """A whole file: heading, table, legend as a list, footnotes."""
    listed = [f"- {line}" for line in legend]
    return "\n".join([*heading(title, profile), *body, "", *listed, *notes.lines()]) + "\n"
