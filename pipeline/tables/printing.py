"""How a number is printed, in every format: percent with one decimal, halves rounded up, `-` for none."""

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

from pipeline.tables.published import Source

UNDEFINED: Final = "-"
SOURCE_MARKS: Final[Mapping[Source, str]] = {"paper": "", "other paper": "†", "authors' log": "‡"}
"""What marks a published number that is not of the paper's own experiments; † as in its Table 1."""


def printed(value: float) -> str:
    """A share as the paper prints it: in percent with one decimal, halves rounded up.

    Means of small subsets are often exact halves; float noise of 1e-14 must not decide how they print.

    Examples:
        >>> printed(0.91050000000000009), printed(0.9104999999999999)
        ('91.1', '91.1')
    """
    return f"{_rounded(value):.1f}"


def signed(value: float) -> str:
    """A difference of shares, printed likewise with its sign; a difference that rounds to zero has none.

    Examples:
        >>> signed(0.0123), signed(-0.0001)
        ('+1.2', '0.0')
    """
    rounded = _rounded(value)
    return f"{rounded:+.1f}" if rounded else "0.0"


def _rounded(value: float) -> Decimal:
    return Decimal(f"{100 * value:.9f}").quantize(Decimal("0.1"), ROUND_HALF_UP)
